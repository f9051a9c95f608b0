"""Stages of an install up to the activated configuration.

Each stage records a change in the journal before it makes the change.
"""

from collections.abc import Collection, Mapping, Sequence

from dhcp_installer.dhcpd.renderer import INSTALL_LEASE_SECONDS
from dhcp_installer.discovery.strategy import Command, DiscoveryResult, Strategy
from dhcp_installer.errors import BoardNotFoundError, InstallError, LogSourceError
from dhcp_installer.install.assignment import Assignment, assign
from dhcp_installer.install.context import InstallContext, InstallDependencies
from dhcp_installer.install.outlet_text import describe, summary_lines
from dhcp_installer.install.progress import ProgressReporter, Stage
from rack.errors import PiRackError
from rack.inventory import Rasp
from rack.layout import GPIO, Outlet

_MAX_SHOWN_CHARS = 100  # of a log line


def check(
    dependencies: InstallDependencies, outlets: Collection[Outlet], progress: ProgressReporter
) -> None:
    """Check the outlets and the configuration file without changing anything.

    Args:
        dependencies: Components that the install reads and changes.
        outlets: The outlets to switch.
        progress: Reports the progress.

    Raises:
        PiRackError: If an outlet or the DHCP configuration cannot be used.
    """
    _check_outlets(dependencies, outlets)
    configuration = dependencies.configuration
    configuration.check(configuration.render(dependencies.inventory.rasps().values()))
    progress.log_step(
        f"{configuration.path} is writable, and the DHCP server accepts the new version"
    )


def _check_outlets(dependencies: InstallDependencies, outlets: Collection[Outlet]) -> None:
    problems = {outlet: dependencies.outlets.error(outlet) for outlet in outlets}
    for source in sorted({outlet.source for outlet in outlets} - {GPIO}):
        readings = dependencies.outlets.refresh(source)
        problems |= {outlet: readings[outlet].error for outlet in outlets if outlet in readings}
    if any(problems.values()):
        raise InstallError("; ".join(dict.fromkeys(filter(None, problems.values()))))


def shorten_leases(context: InstallContext) -> None:
    """Activate short leases, so that rasps soon request new addresses.

    Raises:
        LogSourceError: If the log does not report the start of the DHCP server.
        ConfigurationError, DhcpServerError, DatabaseError: If the activation fails.
    """
    configuration = context.dependencies.configuration
    context.progress.enter_stage(Stage.LEASES)
    rasps = context.dependencies.inventory.rasps().values()
    text = configuration.render(rasps, lease_seconds=INSTALL_LEASE_SECONDS)
    context.dependencies.journal.record_config_write(
        context.install_id, configuration.read_active()
    )
    backup = configuration.activate(text, backup=True)
    suffix = f", backup in {backup}" if backup else ""
    context.progress.log_step(f"activated leases of {INSTALL_LEASE_SECONDS} s{suffix}")
    timeout = context.dependencies.log_start_timeout
    context.runner.wait(timeout, context.events.has_server_start)
    if not context.events.has_server_start():
        events = context.events
        raise LogSourceError(_missing_start(events.log_name, timeout, events.unreadable_lines))


def discover(context: InstallContext, strategy: Strategy) -> DiscoveryResult:
    """Run a strategy and return the rasps found in each stack.

    Raises:
        BoardNotFoundError: If no rasp was found.
        InstallStoppedError: If the install was stopped.
        PiRackError: If an outlet, the log or ping fails.
    """
    progress = context.progress
    progress.enter_stage(
        Stage.DISCOVER,
        stacks_total=len(context.stacks),
        rasps_total=sum(context.rasp_counts.values()),
        seconds_left=strategy.seconds_left,
    )
    rasps = context.dependencies.inventory.rasps()
    context.runner.sync([rasp.address for number, rasp in rasps.items() if number in context.slots])
    progress.log_step(f"power-cycling {describe(context.outlets)} to find their rasps")

    def on_command(_: Command) -> None:
        _update_progress(progress, strategy, strategy.result)
        if strategy.stacks_done != progress.report.stacks_done:
            progress.update(stacks_done=strategy.stacks_done)
            progress.log_step(f"checked {strategy.stacks_done} of {len(context.stacks)} stacks")

    result = context.runner.discover(strategy, on_command)
    _update_progress(progress, strategy, result)
    progress.log_steps(summary_lines(result))
    if not any(result.stacks.values()):
        raise BoardNotFoundError(
            "no rasp was found in any stack: check that the rasps boot, that the DHCP server"
            " receives their requests, and that they reply to ping (or use the strategy one-by-one)"
        )
    return result


def assign_slots(
    context: InstallContext,
    result: DiscoveryResult,
    requested_slots: Mapping[str, int] | None = None,
) -> Assignment:
    """Assign each rasp found to a slot: to that of its outlet, if it has an outlet of its own.

    `requested_slots` are slot numbers by MAC address.

    Raises:
        AssignmentError: If a stack has more rasps than slots, or a requested slot is not
            available.
    """
    context.progress.enter_stage(Stage.CONFIGURE)
    previous = context.dependencies.inventory.rasps().values()
    slots = {**(requested_slots or {}), **result.slots}
    assignment = assign(context.dependencies.rack, result.stacks, previous, slots)
    context.progress.log_step(
        f"assigned slots to {len(assignment.rasps)} rasps: {len(assignment.new)} new,"
        f" {len(assignment.moved)} moved, {len(assignment.absent)} not found but keeping their"
        f" slot, {len(assignment.replaced)} replaced"
    )
    return assignment


def activate_configuration(
    dependencies: InstallDependencies,
    install_id: int,
    progress: ProgressReporter,
    rasps: Sequence[Rasp],
    previous_config: str,
) -> None:
    """Activate the configuration of these rasps and replace the inventory.

    Once the assignment is in the journal, recovery rolls forward.

    Args:
        dependencies: Components that the install reads and changes.
        install_id: Id in the journal.
        progress: Reports the progress.
        rasps: The new inventory.
        previous_config: Text of dhcpd.conf to compare with.

    Raises:
        ConfigurationError, DhcpServerError, DatabaseError: If the activation fails. The assignment
            is then deleted from the journal.
    """
    text = dependencies.configuration.render(rasps)
    progress.update(diff=dependencies.configuration.diff(previous_config, text))
    previous_rasps = list(dependencies.inventory.rasps().values())
    dependencies.journal.record_assignment(install_id, rasps)
    try:
        dependencies.configuration.activate(text)
        dependencies.inventory.replace(rasps)
    except PiRackError:
        dependencies.journal.record_assignment(install_id, None)
        raise
    progress.log_step(f"activated {dependencies.configuration.path} and updated the inventory")
    progress.log_steps(dependencies.update_prometheus_targets())
    progress.log_steps(dependencies.move_host_keys(previous_rasps, rasps))


def _missing_start(log_name: str, timeout: float, unreadable_lines: Sequence[str]) -> str:
    """Return the error message for a log without the start of the restarted DHCP server."""
    problem = f"{log_name} does not show the start of the DHCP server {timeout:g} s after a restart"
    if not unreadable_lines:
        return (
            f"{problem}: check --dhcp-log, and that this user can read the log (for journald:"
            " group systemd-journal)"
        )
    lines = ", ".join(repr(_truncate(line)) for line in unreadable_lines)
    return (
        f"{problem}. PiRack does not read the format of these lines: {lines}. Set --dhcp-log to the"
        " journal of dhcpd, or to its log file in the format of RFC 3164, RFC 5424 or `dhcpd -d`"
    )


def _truncate(line: str) -> str:
    return line if len(line) <= _MAX_SHOWN_CHARS else f"{line[: _MAX_SHOWN_CHARS - 3]}..."


def _update_progress(
    progress: ProgressReporter, strategy: Strategy, result: DiscoveryResult
) -> None:
    found = {stack: tuple(sorted(macs)) for stack, macs in result.stacks.items() if macs}
    progress.update(
        rasps_found=sum(map(len, found.values())) + len(result.unplaced | result.conflicts.keys()),
        seconds_left=round(strategy.seconds_left, 1),
        found=found,
        missing=dict(result.missing_by_stack),
        missing_slots=tuple(outlet.name for outlet in result.missing if outlet.slot is not None),
        slots=dict(sorted(result.slots.items())),
        slot_evidence=dict(sorted(result.slot_evidence.items())),
        other_vendor_macs=tuple(sorted(result.other_vendor_macs)),
        unplaced=tuple(sorted(result.unplaced)),
        conflicts={
            mac: tuple(sorted(outlet.name for outlet in outlets))
            for mac, outlets in result.conflicts.items()
        },
    )
