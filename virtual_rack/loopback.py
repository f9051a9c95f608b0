"""The loopback rack: all rasps in one process, at 127.23.STACK.SLOT, without privileges."""

import shutil
import socket
import threading
import time
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path
from random import Random
from typing import Protocol

from exporter.aliases import Aliases
from exporter.server import Exporter
from rack.layout import Rack, Slot
from virtual_rack import ssh_keys
from virtual_rack.actions import Actions
from virtual_rack.board import Board
from virtual_rack.dhcpd_log import DhcpdLog
from virtual_rack.faults import Fault
from virtual_rack.rack import VirtualRack
from virtual_rack.rasp import VirtualRasp, mac_of
from virtual_rack.sensors import SensorFiles
from virtual_rack.ssh_servers import SshLoop, SshServer

PING_PORT = 9848
"""Loopback answers ICMP for every address, so a rasp's sign of life is that this TCP port opens."""

_BACKLOG = 128


@dataclass(frozen=True, slots=True)
class Options:
    """What a virtual rack is made with.

    `network` is the first two octets of its addresses; `boot_seconds` the mean time from power to
    service; the same `seed` gives the same loads and boot times.
    """

    network: str = "127.23"
    boot_seconds: float = 5.0
    seed: int = 2016


def loopback_rack(
    rack: Rack,
    aliases: Aliases,
    state: Path,
    options: Options,
    *,
    clock: Callable[[], float] = time.time,
) -> VirtualRack:
    """Make a virtual rack on loopback; what its sensors show is below the folder `state`.

    Beside `state`/pirack.db are the master's SSH key and the rasps' host keys, as a controller has
    them that has set up its rasps, and the folder `dhcpd` of a DHCP server that is a log alone.

    Raises:
        OSError: the folder cannot be written.
    """
    root = state.resolve() / "rasps"
    shutil.rmtree(root, ignore_errors=True)
    log = DhcpdLog(state / "dhcpd", IPv4Address(f"{options.network}.0.1"))
    host_keys = ssh_keys.hosts(state, len(rack.slots))
    loop, master = SshLoop(), ssh_keys.masters(state)

    def ssh_server(slot: Slot, address: IPv4Address, actions: Actions) -> SshServer:
        key = host_keys[slot.id - 1]
        return SshServer(loop, address, host_key=key, master=master, answer=actions.answer)

    rasps = [
        _make_rasp(rack, slot, aliases, root / slot.name, log, options, ssh_server)
        for slot in rack.slots
    ]
    made = LoopbackRack(rack, rasps, log, clock=clock)
    ssh_keys.pin(state, dict(zip(made.inventory(), host_keys, strict=True)))
    return made


class LoopbackRack(VirtualRack):
    """A virtual rack whose DHCP server is a log alone."""

    def __init__(
        self,
        rack: Rack,
        rasps: Iterable[VirtualRasp],
        log: DhcpdLog,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(rack, rasps, clock=clock)
        self._log = log

    def advance(self) -> None:
        """Let time pass; see `VirtualRack`."""
        self._log.watch()
        super().advance()


class Service(Protocol):
    """What a rasp serves while it is up."""

    def start(self) -> None:
        """Bind and serve; OSError where that fails."""

    def close(self) -> None:
        """Stop serving and let the port go."""


class LoopbackHost:
    """A rasp's sockets on a loopback address.

    Args:
        address: the address.
        ask: asks the DHCP server for it, at each boot.
        exporter: makes its exporter, anew at each boot.
        exporter_port: where that one listens, and where a hung one would.
        exporter_ends: is set to have the exporter end, and begin anew.
        ssh: its SSH server.
    """

    def __init__(
        self,
        address: IPv4Address,
        ask: Callable[[], None],
        exporter: Callable[[], Service],
        *,
        exporter_port: int,
        exporter_ends: threading.Event,
        ssh: SshServer,
    ) -> None:
        self._address = address
        self._ask = ask
        self._exporter_ends = exporter_ends
        self._ssh = ssh
        self._make_exporter = exporter
        self._exporter_port = exporter_port
        self._exporter: Service | None = None
        self._silent: socket.socket | None = None  # stands where a hung exporter would
        self._ping: socket.socket | None = None

    def serve(self, faults: Collection[Fault]) -> None:
        """Answer; see `Host`."""
        if self._ping is None:
            self._ask()
            self._ping = _listen(self._address, PING_PORT)
        _drain(self._ping)
        self._ssh.serve(faults)
        if self._exporter_ends.is_set():
            self._exporter_ends.clear()
            self._close_exporter()
        if not {Fault.HANG, Fault.WEDGED}.isdisjoint(faults):
            self._close_exporter()
            if self._silent is None:
                self._silent = _listen(self._address, self._exporter_port)
        elif self._exporter is None:
            self._close_silent()
            exporter = self._make_exporter()
            exporter.start()
            self._exporter = exporter

    def close(self) -> None:
        """Be gone; see `Host`."""
        self._ssh.close()
        self._close_exporter()
        self._close_silent()
        if self._ping is not None:
            self._ping.close()
            self._ping = None

    def _close_exporter(self) -> None:
        if self._exporter is not None:
            self._exporter.close()
            self._exporter = None

    def _close_silent(self) -> None:
        if self._silent is not None:
            self._silent.close()
            self._silent = None


def _listen(address: IPv4Address, port: int) -> socket.socket:
    """Return a listening socket: the kernel completes connections, nothing has to accept."""
    server = socket.create_server((str(address), port), backlog=_BACKLOG)
    server.setblocking(False)
    return server


def _drain(server: socket.socket) -> None:
    """Accept and close what has come, so that the backlog never fills."""
    with suppress(BlockingIOError):
        while True:
            server.accept()[0].close()


def _make_rasp(
    rack: Rack,
    slot: Slot,
    aliases: Aliases,
    root: Path,
    log: DhcpdLog,
    options: Options,
    ssh_server: Callable[[Slot, IPv4Address, Actions], SshServer],
) -> VirtualRasp:
    address = IPv4Address(f"{options.network}.{slot.stack}.{slot.number}")
    random = Random(f"{options.seed} {slot.name}")  # noqa: S311 - a simulation, not a secret
    port = rack.network.exporter_port
    board = Board(random, temperature=0.0)
    exporter_ends = threading.Event()
    actions = Actions(aliases.actions, board, exporter_ends.set)
    host = LoopbackHost(
        address,
        lambda: log.hand_out(address, mac_of(slot), slot.host_name),
        lambda: Exporter(aliases, str(address), port, root=root, statvfs=board.disk),
        exporter_port=port,
        exporter_ends=exporter_ends,
        ssh=ssh_server(slot, address, actions),
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
