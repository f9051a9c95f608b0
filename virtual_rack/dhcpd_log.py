"""Simulated dhcpd log of a loopback rack, which has no DHCP.

The lines have the format of `dhcpd -d` of ISC dhcpd 4.4.3. After every change to `dhcpd.conf`, the
log contains a server start, as if the server reloaded its configuration automatically.
"""

from ipaddress import IPv4Address
from pathlib import Path

_INTERFACE = "lo"
_START_LINES = ("Internet Systems Consortium DHCP Server 4.4.3-P1", "Server starting service.")


class DhcpdLog:
    """The log file `dhcpd.log`, in the same folder as `dhcpd.conf`."""

    def __init__(self, folder: Path, server: IPv4Address) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._conf = folder / "dhcpd.conf"
        self._log = folder / "dhcpd.log"
        self._log.touch()
        self._server = server
        self._last_config_version = self._config_version()

    def log_restart_if_changed(self) -> None:
        """Log a server start if `dhcpd.conf` changed."""
        version = self._config_version()
        if version != self._last_config_version:
            self._last_config_version = version
            self._append(*_START_LINES)

    def log_lease(self, address: IPv4Address, mac: str, host_name: str) -> None:
        """Log the DHCP messages between the server and a booting rasp."""
        client = f"{mac} ({host_name}) via {_INTERFACE}"
        self._append(
            f"DHCPDISCOVER from {mac} via {_INTERFACE}",
            f"DHCPOFFER on {address} to {client}",
            f"DHCPREQUEST for {address} ({self._server}) from {client}",
            f"DHCPACK on {address} to {client}",
        )

    def _config_version(self) -> tuple[int, int] | None:
        try:
            status = self._conf.stat()
        except FileNotFoundError:
            return None
        return status.st_ino, status.st_mtime_ns

    def _append(self, *lines: str) -> None:
        with self._log.open("a", encoding="utf-8") as file:
            file.write("".join(f"{line}\n" for line in lines))
