"""The stages of an install up to the configuration: checked, listened to, found, decided, written.

What each of them does to the world it says before, in the journal.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from dhcp_installer.assignment import Assignment, assign
from dhcp_installer.dhcpd_conf import INSTALLING_LEASE
from dhcp_installer.discovery import Command, Findings, Strategy
from dhcp_installer.driver import Driver
from dhcp_installer.errors import InstallError, LogUnreadable, NotFound
from dhcp_installer.progress import Stage
from dhcp_installer.signs import Signs
from dhcp_installer.telling import Telling
from dhcp_installer.world import World
from rack.errors import RackError
from rack.inventory import Rasp
from rack.layout import Stack


@dataclass(frozen=True)
class Site:
    """An install at work: its number, the stacks that it is about, and what it works with."""

    world: World
    number: int
    stacks: tuple[Stack, ...]
    telling: Telling
    signs: Signs
    driver: Driver

    @property
    def slots(self) -> Mapping[int, int]:
        """How many slots each of the stacks has."""
        return {stack.number: len(stack.slots) for stack in self.stacks}


def check(world: World, telling: Telling) -> None:
    """See that the configuration can be had, read and written, and that the relays can be driven.

    Raises:
        InstallError, RackError: an install could not come to its end; nothing was changed.
    """
    if world.relays.trouble:
        raise InstallError(world.relays.trouble)
    rasps = world.inventory.rasps().values()
    world.configuration.check(world.configuration.wanted(rasps))
    telling.say(f"{world.configuration.path} can be written, and the DHCP server takes it")


def shorten_leases(site: Site) -> None:
    """Put a configuration with short leases in force, so that rasps soon ask for another address.

    Raises:
        LogUnreadable: the server says nothing, or nothing that this process may read.
        ConfigurationError, ServerError, DatabaseError: it cannot be had.
    """
    configuration = site.world.configuration
    site.telling.reach(Stage.LEASES)
    rasps = site.world.inventory.rasps().values()
    text = configuration.wanted(rasps, lease_seconds=INSTALLING_LEASE)
    site.world.journal.write(site.number, configuration.in_force())
    backup = configuration.put_in_force(text, keep=True)
    kept = f"; {backup} is as it was before" if backup else ""
    site.telling.say(f"leases of {INSTALLING_LEASE} s are in force{kept}")
    seconds = site.world.log_seconds
    site.driver.wait(seconds, site.signs.has_lines)
    if not site.signs.has_lines():
        raise LogUnreadable(
            f"the DHCP server was started anew, and its log said nothing in {seconds:g} s:"
            " name where it logs to, and see that this user may read that (for the journal: the"
            " group systemd-journal)"
        )


def discover(site: Site, strategy: Strategy) -> Findings:
    """Let a strategy find out who is where.

    Raises:
        Stopped: somebody wants the install to stop.
        InstallError, RackError: it cannot go on.
    """
    telling = site.telling
    telling.reach(
        Stage.DISCOVER,
        stacks_total=len(site.stacks),
        rasps_total=sum(site.slots.values()),
        seconds_left=strategy.seconds_left,
    )
    here = [rasp for rasp in site.world.inventory.rasps().values() if rasp.stack in site.slots]
    site.driver.sync([rasp.address for rasp in here])
    telling.say(f"{len(site.stacks)} stacks are cut, to see who comes back with which")

    def watch(_: Command) -> None:
        _know(telling, strategy, strategy.findings)
        if strategy.stacks_done != telling.report.stacks_done:
            telling.know(stacks_done=strategy.stacks_done)
            telling.say(f"{strategy.stacks_done} of {len(site.stacks)} stacks were looked at")

    findings = site.driver.discover(strategy, watch)
    _know(telling, strategy, findings)
    telling.say_all(_remarks(findings))
    if not any(findings.stacks.values()):
        raise NotFound(
            "no rasp was found in any stack: see that they boot, that the DHCP server hears them,"
            " and that they answer pings (or take the strategy one-by-one)"
        )
    return findings


def decide(site: Site, findings: Findings, wanted: Mapping[str, int] | None = None) -> Assignment:
    """Give each rasp found a slot; `wanted` are slots of their stacks that people chose, by MAC.

    Raises:
        AssignmentError: a stack has more rasps than slots, or what is wanted cannot be.
    """
    site.telling.reach(Stage.CONFIGURE)
    before = site.world.inventory.rasps().values()
    assignment = assign(site.world.rack, findings.stacks, before, wanted)
    site.telling.say(
        f"{len(assignment.rasps)} rasps have a slot: {len(assignment.new)} are new,"
        f" {len(assignment.moved)} were moved, {len(assignment.absent)} were not found and keep"
        f" theirs, {len(assignment.replaced)} lost theirs"
    )
    return assignment


def configure(
    world: World, number: int, telling: Telling, rasps: Sequence[Rasp], before: str
) -> None:
    """Make this the inventory, and dhcpd.conf what belongs to it; `before` is for the diff alone.

    From the journal's word of the decision on, whoever comes after a kill completes it.

    Raises:
        ConfigurationError, ServerError, DatabaseError: it cannot be; nothing was decided.
    """
    text = world.configuration.wanted(rasps)
    telling.know(diff=world.configuration.diff(before, text))
    world.journal.decide(number, rasps)
    try:
        world.configuration.put_in_force(text)
        world.inventory.replace(rasps)
    except (InstallError, RackError):
        world.journal.decide(number, None)
        raise
    telling.say(f"{world.configuration.path} and the inventory are as decided")
    telling.say_all(world.keep_targets())


def _know(telling: Telling, strategy: Strategy, findings: Findings) -> None:
    found = {stack: tuple(sorted(macs)) for stack, macs in findings.stacks.items() if macs}
    telling.know(
        rasps_found=sum(map(len, found.values()))
        + len(findings.unplaced | findings.conflicts.keys()),
        seconds_left=round(strategy.seconds_left, 1),
        found=found,
        missing=dict(findings.missing),
        strangers=tuple(sorted(findings.strangers)),
        unplaced=tuple(sorted(findings.unplaced)),
        conflicts={mac: tuple(sorted(stacks)) for mac, stacks in findings.conflicts.items()},
    )


def _remarks(findings: Findings) -> Iterator[str]:
    placed = sum(map(len, findings.stacks.values()))
    yield f"{placed} rasps were found in {sum(map(bool, findings.stacks.values()))} stacks"
    for stack, count in sorted(findings.missing.items()):
        yield f"stack {stack}: {count} of its rasps were not found"
    for mac, stacks in sorted(findings.conflicts.items()):
        numbers = " and ".join(map(str, sorted(stacks)))
        yield f"{mac} seems to be in stacks {numbers}: it gets no slot"
    for mac in sorted(findings.unplaced):
        yield f"{mac} was seen, and is in no stack: it gets no slot"
    for mac in sorted(findings.strangers):
        yield f"{mac} is no Raspberry Pi's: it gets no slot"
