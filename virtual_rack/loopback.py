"""Virtual rack on loopback, with all rasps in one process at 127.23.STACK.SLOT."""

import shutil
import socket
import time
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path
from random import Random

from exporter.aliases import Aliases
from exporter.server import Exporter
from rack.layout import Rack, Slot
from virtual_rack import ssh_keys
from virtual_rack.actions import SimulatedActions
from virtual_rack.board import Board
from virtual_rack.dhcpd_log import DhcpdLog
from virtual_rack.exporter_port import ExporterPort
from virtual_rack.faults import Fault
from virtual_rack.rack import VirtualRack
from virtual_rack.rasp import VirtualRasp, mac_of
from virtual_rack.sensors import SensorFiles
from virtual_rack.sockets import drain, listen
from virtual_rack.ssh_servers import SSH_PORT, SshLoop, SshServer

PING_PORT = 9848
"""TCP port for pings. ICMP is not suitable, because every loopback address responds to ICMP."""
_NO_DHCP = "loopback has no DHCP: use --network namespaces"
_UNSUPPORTED_FAULTS = {Fault.HOSTILE_HOSTNAME: _NO_DHCP, Fault.FOREIGN_LEASE: _NO_DHCP}


@dataclass(frozen=True, slots=True)
class LoopbackOptions:
    """Options of a loopback rack.

    Attributes:
        network: First two octets of the addresses.
        boot_seconds: Mean boot time.
        seed: Seed of loads and boot times.
    """

    network: str = "127.23"
    boot_seconds: float = 5.0
    seed: int = 2016


def loopback_rack(
    rack: Rack,
    aliases: Aliases,
    state: Path,
    options: LoopbackOptions,
    *,
    clock: Callable[[], float] = time.monotonic,
) -> VirtualRack:
    """Create a virtual rack on loopback.

    The folder `state` then contains the simulated sensor files, the SSH keys of the master and the
    rasps, and the simulated DHCP log.

    Raises:
        OSError: If the folder cannot be written.
    """
    root = state.resolve() / "rasps"
    shutil.rmtree(root, ignore_errors=True)
    log = DhcpdLog(state / "dhcpd", IPv4Address(f"{options.network}.0.1"))
    host_keys = ssh_keys.load_or_create_host_keys(state, len(rack.slots))
    loop, master_key = SshLoop(), ssh_keys.load_or_create_master_key(state)

    def ssh_server(slot: Slot, address: IPv4Address, actions: SimulatedActions) -> SshServer:
        key = host_keys[slot.id - 1]
        return SshServer(loop, address, host_key=key, master_key=master_key, run_action=actions.run)

    rasps = [
        _make_rasp(rack, slot, aliases, root / slot.name, log, options, ssh_server)
        for slot in rack.slots
    ]
    virtual = LoopbackRack(rack, rasps, state, log, clock=clock)
    ssh_keys.pin_host_keys(state, dict(zip(virtual.inventory(), host_keys, strict=True)), SSH_PORT)
    return virtual


class LoopbackRack(VirtualRack):
    """A virtual rack with a simulated DHCP log."""

    def __init__(
        self,
        rack: Rack,
        rasps: Iterable[VirtualRasp],
        state: Path,
        log: DhcpdLog,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(rack, rasps, state, unsupported_faults=_UNSUPPORTED_FAULTS, clock=clock)
        self._log = log

    def advance(self) -> None:
        """Simulate the time since the last call; see `VirtualRack`."""
        self._log.log_restart_if_changed()
        super().advance()


class LoopbackHost:
    """The sockets of a rasp on a loopback address.

    Args:
        address: Address of the rasp.
        request_lease: Function to call at each boot.
        exporter: Port of the exporter.
        ssh: SSH server.
    """

    def __init__(
        self,
        address: IPv4Address,
        request_lease: Callable[[], None],
        exporter: ExporterPort,
        ssh: SshServer,
    ) -> None:
        self._address = address
        self._request_lease = request_lease
        self._exporter = exporter
        self._ssh = ssh
        self._ping: socket.socket | None = None

    def serve(self, faults: Collection[Fault]) -> None:
        """Serve requests; see `NetworkHost`."""
        if self._ping is None:
            self._request_lease()
            self._ping = listen(str(self._address), PING_PORT)
        drain(self._ping)
        self._ssh.serve(faults)
        self._exporter.serve(faults)

    def cut_power(self) -> None:
        """Close all sockets; see `NetworkHost`."""
        self.close()

    def close(self) -> None:
        """Close all sockets; see `NetworkHost`."""
        self._ssh.close()
        self._exporter.close()
        if self._ping is not None:
            self._ping.close()
            self._ping = None


def _make_rasp(
    rack: Rack,
    slot: Slot,
    aliases: Aliases,
    root: Path,
    log: DhcpdLog,
    options: LoopbackOptions,
    ssh_server: Callable[[Slot, IPv4Address, SimulatedActions], SshServer],
) -> VirtualRasp:
    address = IPv4Address(f"{options.network}.{slot.stack}.{slot.number}")
    random = Random(f"{options.seed} {slot.name}")  # noqa: S311 - a simulation, not a secret
    port = rack.network.exporter_port
    board = Board(random, temperature=0.0)
    exporter = ExporterPort(
        str(address),
        port,
        lambda: Exporter(aliases, str(address), port, root=root, statvfs=board.statvfs),
    )
    host = LoopbackHost(
        address,
        lambda: log.log_lease(address, mac_of(slot), slot.host_name),
        exporter,
        ssh_server(slot, address, SimulatedActions(aliases.actions, board, exporter.restart)),
    )
    return VirtualRasp(
        slot,
        address,
        board,
        SensorFiles(root),
        host,
        boot_seconds=options.boot_seconds,
        random=random,
    )
