"""DHCP server on the master of a namespace rack.

Its folder contains `dhcpd.conf`, `dhcpd.leases`, `dhcpd.log` and the subfolder `bin`, which is
first on the master's PATH. `bin` contains a systemctl that supports only isc-dhcp-server.
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
# Otherwise, dhcpd would ping each address for one second before it offers the address.
_UNMANAGED_CONFIG = "ping-check false;\n"


class VirtualMaster:
    """The DHCP server of a rack. The state folder `state` contains the files of the server."""

    def __init__(self, rack: Rack, state: Path) -> None:
        self._rack = rack
        self._folder = state.resolve() / "dhcpd"
        self._bin = self.bin_folder(state)

    @staticmethod
    def bin_folder(state: Path) -> Path:
        """Return the folder that must be first on the PATH of the master's programs."""
        return state.resolve() / "dhcpd" / "bin"

    def start_dhcpd(self, rasps: Sequence[Rasp]) -> None:
        """Start dhcpd with fixed addresses for `rasps` and an address pool for all other devices.

        Raises:
            ProgramError: If dhcpd is not available.
            ConfigurationError: If the network of the layout has no free addresses for the pool.
            OSError: If dhcpd does not start.
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
        result = subprocess.run(
            [self._bin / "systemctl", "restart", "isc-dhcp-server"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_START_SECONDS,
            check=False,
        )
        if result.returncode != 0:
            raise OSError(0, f"dhcpd does not start: {result.stderr.strip()}", str(conf))
