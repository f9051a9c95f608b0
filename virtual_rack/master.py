"""The master's side of a rack of namespaces: a real dhcpd, and what starts it anew.

All of it is in one folder: `dhcpd.conf`, `dhcpd.leases` and `dhcpd.log`; and `bin`, which comes
first on the master's PATH, with a systemctl that knows isc-dhcp-server alone.
"""

import shlex
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from dhcp_installer.dhcpd.renderer import INSTALL_LEASE_SECONDS, LEASE_SECONDS, DhcpdRenderer
from rack.inventory import Rasp
from rack.layout import Rack
from tools.programs import find
from tools.wrappers import write_wrapper
from virtual_rack.switch import BRIDGE

_SYSTEMCTL = Path(__file__).with_name("master_systemctl.sh")
_START_SECONDS = 20.0
# A ping before each offer of an address would cost a second.
_UNMANAGED_CONFIG = "ping-check false;\n"


class VirtualMaster:
    """The DHCP server for a rack, below the folder `state`."""

    def __init__(self, rack: Rack, state: Path) -> None:
        self._rack = rack
        self._folder = state.resolve() / "dhcpd"
        self._bin = self.bin_folder(state)

    @staticmethod
    def bin_folder(state: Path) -> Path:
        """Return the folder that comes first on the PATH of the master's programs."""
        return state.resolve() / "dhcpd" / "bin"

    def start_dhcpd(self, rasps: Sequence[Rasp]) -> None:
        """Serve: these rasps have addresses of their own, all others get one of a pool.

        Raises:
            ProgramError: dhcpd cannot be had.
            ConfigurationError: the layout's network has no room for a pool.
            OSError: it does not start.
        """
        dhcpd = find("dhcpd")
        shutil.rmtree(self._folder, ignore_errors=True)
        self._bin.mkdir(parents=True)
        shutil.copy(_SYSTEMCTL, self._bin / "systemctl")
        write_wrapper(dhcpd, self._bin)
        settings = {"DHCPD": str(dhcpd.path), "INTERFACE": BRIDGE, **dhcpd.extra_environment}
        (self._folder / "dhcpd.env").write_text(
            "".join(f"export {name}={shlex.quote(text)}\n" for name, text in settings.items())
        )
        conf = self._folder / "dhcpd.conf"
        lease = LEASE_SECONDS if rasps else INSTALL_LEASE_SECONDS
        conf.write_text(
            DhcpdRenderer(self._rack, conf).render(rasps, _UNMANAGED_CONFIG, lease_seconds=lease)
        )
        done = subprocess.run(
            [self._bin / "systemctl", "restart", "isc-dhcp-server"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_START_SECONDS,
            check=False,
        )
        if done.returncode != 0:
            raise OSError(0, f"dhcpd does not start: {done.stderr.strip()}", str(conf))
