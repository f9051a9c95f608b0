"""Virtual rack with a network namespace for each rasp and a real dhcpd on the master.

The rack runs in a sandbox, which removes the rack's network, mounts and processes at the end.
"""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from random import Random

import asyncssh

from exporter.aliases import Aliases
from exporter.server import Exporter
from rack.layout import Rack, Slot
from tools.programs import Program, find
from tools.wrappers import write_wrapper
from virtual_rack import ssh_keys
from virtual_rack.board import Board
from virtual_rack.dhcp_clients import HOSTILE_HOST_NAMES, ClientProgram, DhcpClient, choose_program
from virtual_rack.exporter_port import ExporterPort
from virtual_rack.namespace_host import NamespaceHost
from virtual_rack.network_namespace import IpTool
from virtual_rack.outlets import source_devices
from virtual_rack.rack import VirtualRack
from virtual_rack.rasp import VirtualRasp
from virtual_rack.sd_card import SdCard
from virtual_rack.sensors import SensorFiles
from virtual_rack.sshd import Sshd
from virtual_rack.switch import Switch

PROGRAMS = ("dhcpd", "ip", "mkfs.ext4", "sshd", *ClientProgram)
"""Programs that must be installed or downloaded."""

SSH_PORT = 22

_ANY_ADDRESS = "0.0.0.0"  # noqa: S104 - in the network namespace of a rasp
_SBIN = Path(__file__).with_name("rasp_init") / "sbin"


@dataclass(frozen=True, slots=True)
class NamespaceOptions:
    """Options of a namespace rack.

    Attributes:
        boot_seconds: Mean boot time.
        link_seconds: Delay before the switch forwards packets on a new link.
        seed: Seed of loads, boot times and DHCP clients.
        has_cards: Whether each rasp has an SD card of its own.
        keeps_page_cache: Whether a power cut keeps data that was not synced.
    """

    boot_seconds: float = 5.0
    link_seconds: float = 0.0
    seed: int = 2016
    has_cards: bool = False
    keeps_page_cache: bool = False


def namespace_rack(
    rack: Rack, aliases: Aliases, aliases_file: Path, state: Path, options: NamespaceOptions
) -> VirtualRack:
    """Create a switch and rasps.

    The folder `state` then contains the files of the rasps, and the SSH keys of the master and the
    rasps.

    Raises:
        ProgramError: If a required program is not available.
        OSError: If the network cannot be created, or the folder cannot be written.
    """
    builder = _RackBuilder(aliases, aliases_file.resolve(), state.resolve(), options)
    builder.write_files()
    builder.switch.create(rack.network, source_devices.hosts(rack))
    keys = ssh_keys.load_or_create_host_keys(state, len(rack.slots))
    ssh_keys.load_or_create_master_key(state)
    rasps = [builder.make_rasp(rack, slot, key) for slot, key in zip(rack.slots, keys, strict=True)]
    virtual = VirtualRack(rack, rasps, state)
    ssh_keys.pin_host_keys(state, dict(zip(virtual.inventory(), keys, strict=True)), SSH_PORT)
    return virtual


class _RackBuilder:
    """Builder that creates the components of a namespace rack."""

    def __init__(
        self, aliases: Aliases, aliases_file: Path, state: Path, options: NamespaceOptions
    ) -> None:
        self._aliases = aliases
        self._aliases_file = aliases_file
        self._state = state
        self._options = options
        self._rasps = state / "rasps"
        self._programs = {name: find(name) for name in PROGRAMS}
        self.switch = Switch(IpTool(self._programs["ip"]), options.link_seconds)
        self._env = _environment(self._programs)

    def write_files(self) -> None:
        """Create the folder that contains the programs of the rasps."""
        shutil.rmtree(self._rasps, ignore_errors=True)
        sbin = self._rasps / "sbin"
        shutil.copytree(_SBIN, sbin)
        write_wrapper(self._programs["ip"], sbin)

    def make_rasp(self, rack: Rack, slot: Slot, host_key: asyncssh.SSHKey) -> VirtualRasp:
        """Create a rasp."""
        folder = self._rasps / slot.name
        folder.mkdir()
        random = Random(f"{self._options.seed} {slot.name}")  # noqa: S311 - a simulation
        board = Board(random, temperature=0.0)
        host = NamespaceHost(
            slot,
            folder,
            card=self._card(folder),
            client=self._client(slot, random, folder),
            sshd=Sshd(
                slot.host_name,
                folder,
                host_key=host_key,
                master_key=self._state / "ssh" / "id_ed25519.pub",
                aliases_file=self._aliases_file,
            ),
            exporter=self._exporter(rack, folder, board),
            switch=self.switch,
            env=self._env,
            request=board.request,
        )
        return VirtualRasp(
            slot,
            slot.address,
            board,
            SensorFiles(folder),
            host,
            boot_seconds=self._options.boot_seconds,
            random=random,
        )

    def _card(self, folder: Path) -> SdCard | None:
        if not self._options.has_cards:
            return None
        return SdCard(
            folder / "card.img",
            self._programs["mkfs.ext4"],
            keeps_page_cache=self._options.keeps_page_cache,
        )

    def _client(self, slot: Slot, random: Random, folder: Path) -> DhcpClient:
        return DhcpClient(
            choose_program(random),
            folder,
            HOSTILE_HOST_NAMES[slot.id % len(HOSTILE_HOST_NAMES)],
            {program: self._programs[program] for program in ClientProgram},
        )

    def _exporter(self, rack: Rack, folder: Path, board: Board) -> ExporterPort:
        subnet, port = rack.network.subnet, rack.network.exporter_port
        return ExporterPort(
            _ANY_ADDRESS,
            port,
            lambda: Exporter(self._aliases, subnet, port, root=folder, statvfs=board.statvfs),
        )


def _environment(programs: dict[str, Program]) -> dict[str, str]:
    """Return the environment of the rasps' processes."""
    libraries = {
        program.extra_environment.get("LD_LIBRARY_PATH", "") for program in programs.values()
    }
    return {
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "LD_LIBRARY_PATH": os.pathsep.join(sorted(libraries - {""})),
        "SSHD": str(programs["sshd"].path),
        "SSHD_AS": "" if may_change_users() else "1000",
    }


def may_change_users() -> bool:
    """Return whether root can switch to other users, which depends on the user namespace."""
    return Path("/proc/self/setgroups").read_text() == "allow\n"
