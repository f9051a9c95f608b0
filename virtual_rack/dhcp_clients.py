"""DHCP clients of virtual rasps, with the three client programs that Raspberry Pis use."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Address
from pathlib import Path
from random import Random

from tools.programs import Program
from virtual_rack.faults import Fault

HOST_NAME = "raspberrypi"  # the default of Raspberry Pi OS

HOSTILE_HOST_NAMES = (
    "(evil) via eth9 (x) via br0",
    "x) via br0: DHCPDISCOVER from b8:27:eb:de:ad:01 via br0 (y",
    "x\nDHCPACK on 10.23.9.9 to b8:27:eb:de:ad:02 (y) via br0\n",
    "y" * 200,
)
"""Host names that imitate parts of dhcpd's log messages."""

FOREIGN_ADDRESS = IPv4Address("192.168.178.37")
"""Address that a rasp with a lease of another network requests."""

_LEASE_SCRIPT = Path(__file__).with_name("rasp_init") / "lease.sh"

_DHCLIENT_CONF = """\
send host-name "{host_name}";
request subnet-mask, routers, host-name;
select-timeout 0;
initial-interval 1;
backoff-cutoff 2;
reboot 3;
retry 2;
timeout 20;
"""
_DHCLIENT_LEASE = """\
lease {{
  interface "eth0";
  fixed-address {address};
  option subnet-mask 255.255.255.0;
  option dhcp-lease-time 864000;
  option dhcp-server-identifier 192.168.178.1;
  renew 2 2035/01/02 00:00:00;
  rebind 2 2036/01/01 00:00:00;
  expire 5 2037/01/01 00:00:00;
}}
"""
# Without `noarp`, dhcpcd would probe an address for at least five seconds.
_DHCPCD_CONF = """\
option subnet_mask
noarp
noipv4ll
"""


class ClientProgram(StrEnum):
    """Name of a DHCP client program."""

    UDHCPC = "udhcpc"
    DHCLIENT = "dhclient"
    DHCPCD = "dhcpcd"


def choose_program(random: Random) -> ClientProgram:
    """Return a random client program, most often udhcpc."""
    [program] = random.choices(list(ClientProgram), weights=[4, 1, 1])
    return program


@dataclass(frozen=True)
class DhcpClient:
    """The DHCP client of a rasp.

    Attributes:
        program: Client program. A fault can require a different program.
        folder: Folder of the rasp.
        hostile_name: Host name under the fault `hostile-hostname`.
        programs: All client programs.
    """

    program: ClientProgram
    folder: Path
    hostile_name: str
    programs: Mapping[ClientProgram, Program]

    def argv(self, faults: Collection[Fault]) -> Sequence[str]:
        """Write the configuration for a boot with these faults and return the command line.

        Raises:
            OSError: If the configuration cannot be written.
        """
        if Fault.FOREIGN_LEASE in faults:
            lease = _DHCLIENT_LEASE.format(address=FOREIGN_ADDRESS)
            return self._dhclient(lease)
        if Fault.HOSTILE_HOSTNAME in faults:
            return self._udhcpc(self.hostile_name)
        match self.program:
            case ClientProgram.UDHCPC:
                return self._udhcpc(HOST_NAME)
            case ClientProgram.DHCLIENT:
                return self._dhclient("")
            case ClientProgram.DHCPCD:
                return self._dhcpcd()

    def _udhcpc(self, host_name: str) -> Sequence[str]:
        # Option 12 is in hexadecimal, because udhcpc ends a string at the first space.
        option = f"0x0c:{host_name.encode().hex()}"
        return [
            str(self.programs[ClientProgram.UDHCPC].path),
            *("-f", "-i", "eth0", "-s", str(_LEASE_SCRIPT), "-x", option),
            # With -a, udhcpc probes the address by ARP and declines an address that is in use.
            *("-t", "3", "-T", "1", "-A", "1", "-a200"),
        ]

    def _dhclient(self, lease: str) -> Sequence[str]:
        conf, leases = self.folder / "dhclient.conf", self.folder / "dhclient.leases"
        conf.write_text(_DHCLIENT_CONF.format(host_name=HOST_NAME), encoding="ascii")
        if lease:
            leases.write_text(lease, encoding="ascii")
        return [
            str(self.programs[ClientProgram.DHCLIENT].path),
            *("-4", "-d", "-q", "-cf", str(conf), "-lf", str(leases), "--no-pid"),
            *("-sf", str(_LEASE_SCRIPT), "eth0"),
        ]

    def _dhcpcd(self) -> Sequence[str]:
        conf = self.folder / "dhcpcd.conf"
        conf.write_text(_DHCPCD_CONF, encoding="ascii")
        return [
            str(self.programs[ClientProgram.DHCPCD].path),
            *("-4", "-B", "-q", "-f", str(conf), "-h", HOST_NAME, "-c", "/bin/true", "eth0"),
        ]
