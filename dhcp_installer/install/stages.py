"""The stages of an install up to the configuration: checked, listened to, found, decided, written.

What each of them does to the world it says before, in the journal.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from dhcp_installer.dhcpd.renderer import INSTALL_LEASE_SECONDS
from dhcp_installer.discovery.event_stream import EventStream
from dhcp_installer.discovery.runner import DiscoveryRunner
from dhcp_installer.discovery.strategy import Command, DiscoveryResult, Strategy
from dhcp_installer.errors import BoardNotFoundError, InstallError, LogSourceError
from dhcp_installer.install.assignment import Assignment, assign
from dhcp_installer.install.context import InstallDependencies
from dhcp_installer.install.progress import Stage
from dhcp_installer.telling import ProgressReporter
from rack.errors import RackError
from rack.inventory import Rasp
from rack.layout import Stack


@dataclass(frozen=True)
class InstallContext:
    """An install at work: its number, the stacks that it is about, and what it works with."""

    dependencies: InstallDependencies
    install_id: int
    stacks: tuple[Stack, ...]
    progress: ProgressReporter
    events: EventStream
    runner: DiscoveryRunner

    @property
    def slot_counts(self) -> Mapping[int, int]:
        """How many slots each of the stacks has."""
        return {stack.number: len(stack.slots) for stack in self.stacks}


def check(dependencies: InstallDependencies, progress: ProgressReporter) -> None:
    """See that the configuration can be had, read and written, and that the relays can be driven.

    Raises:
        InstallError, RackError: an install could not come to its end; nothing was changed.
    """
    if dependencies.relays.error:
        raise InstallError(dependencies.relays.error)
    rasps = dependencies.inventory.rasps().values()
    dependencies.configuration.check(dependencies.configuration.render(rasps))
    progress.log_step(
        f"{dependencies.configuration.path} can be written, and the DHCP server takes it"
    )


def shorten_leases(context: InstallContext) -> None:
    """Put a configuration with short leases in force, so that rasps soon ask for another address.

    Raises:
        LogUnreadable: the server says nothing, or nothing that this process may read.
        ConfigurationError, ServerError, DatabaseError: it cannot be had.
    """
    configuration = context.dependencies.configuration
    context.progress.enter_stage(Stage.LEASES)
    rasps = context.dependencies.inventory.rasps().values()
    text = configuration.render(rasps, lease_seconds=INSTALL_LEASE_SECONDS)
    context.dependencies.journal.record_config_write(
        context.install_id, configuration.read_active()
    )
    backup = configuration.activate(text, backup=True)
    kept = f"; {backup} is as it was before" if backup else ""
    context.progress.log_step(f"leases of {INSTALL_LEASE_SECONDS} s are in force{kept}")
    seconds = context.dependencies.log_start_timeout
    context.runner.wait(seconds, context.events.has_log_output)
    if not context.events.has_log_output():
        raise LogSourceError(
            f"the DHCP server was started anew, and its log said nothing in {seconds:g} s:"
            " name where it logs to, and see that this user may read that (for the journal: the"
            " group systemd-journal)"
        )


def discover(context: InstallContext, strategy: Strategy) -> DiscoveryResult:
    """Let a strategy find out who is where.

    Raises:
        Stopped: somebody wants the install to stop.
        InstallError, RackError: it cannot go on.
    """
    telling = context.progress
    telling.enter_stage(
        Stage.DISCOVER,
        stacks_total=len(context.stacks),
        rasps_total=sum(context.slot_counts.values()),
        seconds_left=strategy.seconds_left,
    )
    here = [
        rasp
        for rasp in context.dependencies.inventory.rasps().values()
        if rasp.stack in context.slot_counts
    ]
    context.runner.sync([rasp.address for rasp in here])
    telling.log_step(f"{len(context.stacks)} stacks are cut, to see who comes back with which")

    def watch(_: Command) -> None:
        _update_progress(telling, strategy, strategy.result)
        if strategy.stacks_done != telling.report.stacks_done:
            telling.update(stacks_done=strategy.stacks_done)
            telling.log_step(
                f"{strategy.stacks_done} of {len(context.stacks)} stacks were looked at"
            )

    findings = context.runner.discover(strategy, watch)
    _update_progress(telling, strategy, findings)
    telling.log_steps(_summary_lines(findings))
    if not any(findings.stacks.values()):
        raise BoardNotFoundError(
            "no rasp was found in any stack: see that they boot, that the DHCP server hears them,"
            " and that they answer pings (or take the strategy one-by-one)"
        )
    return findings


def assign_slots(
    context: InstallContext,
    result: DiscoveryResult,
    requested_slots: Mapping[str, int] | None = None,
) -> Assignment:
    """Give each rasp found a slot; `requested_slots` are slots of their stacks that people chose, by MAC.

    Raises:
        AssignmentError: a stack has more rasps than slots, or what is wanted cannot be.
    """
    context.progress.enter_stage(Stage.CONFIGURE)
    before = context.dependencies.inventory.rasps().values()
    assignment = assign(context.dependencies.rack, result.stacks, before, requested_slots)
    context.progress.log_step(
        f"{len(assignment.rasps)} rasps have a slot: {len(assignment.new)} are new,"
        f" {len(assignment.moved)} were moved, {len(assignment.absent)} were not found and keep"
        f" theirs, {len(assignment.replaced)} lost theirs"
    )
    return assignment


def activate_configuration(
    dependencies: InstallDependencies,
    install_id: int,
    progress: ProgressReporter,
    rasps: Sequence[Rasp],
    previous_config: str,
) -> None:
    """Make this the inventory, and dhcpd.conf what belongs to it; `previous_config` is for the diff alone.

    From the journal's word of the decision on, whoever comes after a kill completes it.

    Raises:
        ConfigurationError, ServerError, DatabaseError: it cannot be; nothing was decided.
    """
    text = dependencies.configuration.render(rasps)
    progress.update(diff=dependencies.configuration.diff(previous_config, text))
    dependencies.journal.record_assignment(install_id, rasps)
    try:
        dependencies.configuration.activate(text)
        dependencies.inventory.replace(rasps)
    except (InstallError, RackError):
        dependencies.journal.record_assignment(install_id, None)
        raise
    progress.log_step(f"{dependencies.configuration.path} and the inventory are as decided")
    progress.log_steps(dependencies.update_prometheus_targets())


def _update_progress(
    progress: ProgressReporter, strategy: Strategy, result: DiscoveryResult
) -> None:
    found = {stack: tuple(sorted(macs)) for stack, macs in result.stacks.items() if macs}
    progress.update(
        rasps_found=sum(map(len, found.values())) + len(result.unplaced | result.conflicts.keys()),
        seconds_left=round(strategy.seconds_left, 1),
        found=found,
        missing=dict(result.missing),
        strangers=tuple(sorted(result.other_vendor_macs)),
        unplaced=tuple(sorted(result.unplaced)),
        conflicts={mac: tuple(sorted(stacks)) for mac, stacks in result.conflicts.items()},
    )


def _summary_lines(result: DiscoveryResult) -> Iterator[str]:
    placed = sum(map(len, result.stacks.values()))
    yield f"{placed} rasps were found in {sum(map(bool, result.stacks.values()))} stacks"
    for stack, count in sorted(result.missing.items()):
        yield f"stack {stack}: {count} of its rasps were not found"
    for mac, stacks in sorted(result.conflicts.items()):
        numbers = " and ".join(map(str, sorted(stacks)))
        yield f"{mac} seems to be in stacks {numbers}: it gets no slot"
    for mac in sorted(result.unplaced):
        yield f"{mac} was seen, and is in no stack: it gets no slot"
    for mac in sorted(result.other_vendor_macs):
        yield f"{mac} is no Raspberry Pi's: it gets no slot"
