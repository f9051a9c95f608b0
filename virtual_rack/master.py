"""The master's side of a rack of namespaces: a real dhcpd, and what starts it anew.

All of it is in one folder: `dhcpd.conf`, `dhcpd.leases` and `dhcpd.log`; and `bin`, which comes
first on the master's PATH, with a systemctl that knows isc-dhcp-server alone.
"""

import shlex
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from dhcp_installer.dhcpd_conf import INSTALLING_LEASE, LEASE, DhcpdConf
from rack.inventory import Rasp
from rack.layout import Rack
from virtual_rack.programs import find
from virtual_rack.switch import BRIDGE
from virtual_rack.wrappers import wrap

_SYSTEMCTL = Path(__file__).with_name("master_systemctl.sh")
_START_SECONDS = 20.0
# A ping before each offer of an address would cost a second.
_BY_HAND = "ping-check false;\n"


class Master:
    """The DHCP server for a rack, below the folder `state`."""

    def __init__(self, rack: Rack, state: Path) -> None:
        self._rack = rack
        self._folder = state.resolve() / "dhcpd"
        self._bin = self.bin_of(state)

    @staticmethod
    def bin_of(state: Path) -> Path:
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
        wrap(dhcpd, self._bin)
        settings = {"DHCPD": str(dhcpd.path), "INTERFACE": BRIDGE, **dhcpd.settings}
        (self._folder / "dhcpd.env").write_text(
            "".join(f"export {name}={shlex.quote(text)}\n" for name, text in settings.items())
        )
        conf = self._folder / "dhcpd.conf"
        lease = LEASE if rasps else INSTALLING_LEASE
        conf.write_text(DhcpdConf(self._rack, conf).render(rasps, _BY_HAND, lease_seconds=lease))
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
