"""What dhcpd would log on a loopback rack, which has no DHCP: its rasps have their addresses.

The lines are those of ISC dhcpd 4.4.3, as `dhcpd -d` prints them. Like a server that watches its
own configuration, it says that it has started whenever `dhcpd.conf` beside the log is another one.
"""

from ipaddress import IPv4Address
from pathlib import Path

_INTERFACE = "lo"
_START_LINES = ("Internet Systems Consortium DHCP Server 4.4.3-P1", "Server starting service.")


class DhcpdLog:
    """The log `dhcpd.log` in a folder, and who watches `dhcpd.conf` there."""

    def __init__(self, folder: Path, server: IPv4Address) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._conf = folder / "dhcpd.conf"
        self._log = folder / "dhcpd.log"
        self._log.touch()
        self._server = server
        self._last_config_version = self._config_version()

    def log_restart_if_changed(self) -> None:
        """Say that the server has started if the configuration is another one."""
        stamp = self._config_version()
        if stamp != self._last_config_version:
            self._last_config_version = stamp
            self._append(*_START_LINES)

    def log_lease(self, address: IPv4Address, mac: str, host_name: str) -> None:
        """Say what is said when a rasp boots and gets its address."""
        to = f"{mac} ({host_name}) via {_INTERFACE}"
        self._append(
            f"DHCPDISCOVER from {mac} via {_INTERFACE}",
            f"DHCPOFFER on {address} to {to}",
            f"DHCPREQUEST for {address} ({self._server}) from {to}",
            f"DHCPACK on {address} to {to}",
        )

    def _config_version(self) -> tuple[int, int] | None:
        try:
            here = self._conf.stat()
        except FileNotFoundError:
            return None
        return here.st_ino, here.st_mtime_ns

    def _append(self, *lines: str) -> None:
        with self._log.open("a", encoding="utf-8") as file:
            file.write("".join(f"{line}\n" for line in lines))
