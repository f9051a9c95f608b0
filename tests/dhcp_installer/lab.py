"""A loopback rack with fast boots, and an installer's world in it: all real but pins and DHCP."""

import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

from dhcp_installer import install
from dhcp_installer.configuration import Configuration
from dhcp_installer.dhcp_server import WatchingServer
from dhcp_installer.dhcpd_conf import DhcpdConf
from dhcp_installer.install import Task
from dhcp_installer.journal import Entry, InstallKind, Journal
from dhcp_installer.log_sources import LogFile
from dhcp_installer.pings import Tcp
from dhcp_installer.progress import Report
from dhcp_installer.world import World
from exporter.aliases import DEFAULT_PATH, load
from rack.database import Database
from rack.inventory import Inventory, Rasp
from rack.layout_file import parse
from rack.relays import Relays
from virtual_rack import control
from virtual_rack.faults import Fault
from virtual_rack.loopback import PING_PORT, Options, loopback_rack
from virtual_rack.pins import VirtualFactory

ALIASES = load(DEFAULT_PATH)
TICK_SECONDS = 0.03  # at each, every rasp writes what its sensors show
RACK = """
name = "lab"
slots = 2
[network]
subnet = "{network}.0.0/16"
master = "{network}.0.1"
address = "{network}.{{stack}}.{{slot}}"
[install]
timeout_seconds = {timeout}
cut_seconds = {cut}
stagger_seconds = 0.01
replace_seconds = 5
[relays]
active_high = true
contact = "normally_closed"
"""
_racks = count()


def free_network() -> str:
    """Return the first two octets of an /16 of loopback that no other virtual rack is in."""
    while True:
        network = f"127.{128 + (os.getpid() * 7 + next(_racks)) % 96}"
        with socket.socket() as probe, suppress(OSError):
            probe.bind((f"{network}.1.1", PING_PORT))
            return network


class Lab:
    """A rack that runs, and what an installer needs of it."""

    def __init__(
        self, folder: Path, *, stacks: int = 2, cut: float = 0.3, timeout: float = 3.0
    ) -> None:
        self.folder = folder
        self.state = folder / "state"
        self.state.mkdir()
        self.network = free_network()
        self.layout = folder / "rack.toml"
        text = RACK.format(network=self.network, cut=cut, timeout=timeout)
        for number in range(stacks):
            text += f"[[stacks]]\npin = {16 + number}\nx = {number}\ny = 0\n"
        self.layout.write_text(text)
        self.rack = parse(text)
        self.virtual = loopback_rack(
            self.rack, ALIASES, self.state, Options(self.network, boot_seconds=0.05)
        )
        self.database = Database(self.state / "pirack.db")
        self.inventory = Inventory(self.database)
        self.conf = self.state / "dhcpd" / "dhcpd.conf"
        self.log = self.state / "dhcpd" / "dhcpd.log"
        self.reports: list[Report] = []
        self.synced: list[str] = []

    @property
    def rasps(self) -> list[Rasp]:
        """What an install finds here."""
        return self.virtual.inventory()

    @property
    def known(self) -> list[Rasp]:
        return list(self.inventory.rasps().values())

    @property
    def power(self) -> list[bool]:
        return [has_power for has_power, _ in self.virtual.power().values()]

    @property
    def said(self) -> list[str]:
        return [report.said for report in self.reports if report.said]

    @property
    def relays(self) -> Relays:
        """The relays as a program gets them that has just started."""
        factory = partial(VirtualFactory, partial(control.answer, self.virtual))
        return Relays(self.rack, self.database, factory=factory)

    def put_on(self, stack: int, slot: int, fault: Fault) -> None:
        self.virtual.put_on([self.rack.stack(stack).slots[slot - 1]], fault)

    def world(self, **other: Any) -> World:
        world = World(
            self.rack,
            self.relays,
            self.inventory,
            Journal(self.database),
            Configuration(self.conf, DhcpdConf(self.rack, self.conf), WatchingServer()),
            partial(LogFile, self.log),
            partial(Tcp, PING_PORT),
            sync=lambda addresses: self.synced.extend(map(str, addresses)),
        )
        return replace(world, **other)

    def run(
        self,
        world: World | None = None,
        task: Task | None = None,
        *,
        watch: Callable[[Report], None] = lambda report: None,
        stop: threading.Event | None = None,
    ) -> Entry:
        """Do a task; return what the journal has of it."""
        world = world or self.world()
        task = task or Task(InstallKind.INSTALL, "tester")

        def tell(report: Report) -> None:
            self.reports.append(report)
            watch(report)

        number = install.begin(world, task)
        return install.run(world, task, number, tell, stop or threading.Event())


@contextmanager
def a_lab(folder: Path, **options: Any) -> Iterator[Lab]:
    """Give a lab whose rack runs until the block is left."""
    lab = Lab(folder, **options)
    end = threading.Event()

    def tick() -> None:
        while not end.wait(TICK_SECONDS):
            lab.virtual.advance()

    thread = threading.Thread(target=tick, name="lab")
    with control.serving(lab.virtual, lab.state):
        lab.virtual.power_on()
        thread.start()
        try:
            yield lab
        finally:
            end.set()
            thread.join()
            lab.virtual.close()
