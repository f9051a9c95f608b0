"""Recovery of interrupted installs by rolling back or forward.

Rolling back restores dhcpd.conf. If the assignment of slots is final, rolling forward completes
dhcpd.conf and the inventory. Both operations restore the power of the stacks and are idempotent.
"""

from collections.abc import Callable, Sequence

from dhcp_installer.errors import InstallError
from dhcp_installer.install.context import InstallDependencies
from dhcp_installer.install.journal import InstallRecord, InstallState
from rack.errors import PiRackError

LogStep = Callable[[str], None]


def recover_interrupted(
    dependencies: InstallDependencies,
    log_step: LogStep,
    state: InstallState = InstallState.INTERRUPTED,
) -> None:
    """Recover all interrupted installs and set their final state.

    Raises:
        InstallError: If an install cannot be recovered.
        DatabaseError: If the journal cannot be read or written.
    """
    for record in dependencies.journal.list_interrupted():
        log_step(_interruption_message(record))
        try:
            if record.assignment is not None:
                _roll_forward(dependencies, record, log_step)
            else:
                roll_back(dependencies, record, log_step)
        except PiRackError as error:
            problem = f"{record.kind} {record.id} cannot be recovered: {error}"
            dependencies.journal.set_state(record.id, InstallState.INTERRUPTED, problem)
            raise InstallError(problem) from error
        dependencies.journal.finish(record.id, state, record.error)


def roll_back(dependencies: InstallDependencies, record: InstallRecord, log_step: LogStep) -> None:
    """Restore dhcpd.conf and the power of the stacks.

    Raises:
        PiRackError: If the file, the DHCP server or a relay fails.
    """
    if not record.config_written:  # no relay was switched either
        return
    try:
        log_step(_restore_configuration(dependencies, record))
    finally:
        restore_power(dependencies, log_step)


def restore_power(dependencies: InstallDependencies, log_step: LogStep) -> None:
    """Restore the power of the stacks that an install switched.

    Raises:
        PiRackError: If a relay or the database fails.
    """
    if stacks := dependencies.relays.restore_after_install():
        log_step(f"restored the power of {_format_stacks(stacks)}")


def _roll_forward(
    dependencies: InstallDependencies, record: InstallRecord, log_step: LogStep
) -> None:
    rasps = record.assignment or ()
    try:
        dependencies.configuration.activate(dependencies.configuration.render(rasps))
    except InstallError as error:
        log_step(f"the new configuration cannot be activated and is rolled back: {error}")
        dependencies.journal.record_assignment(record.id, None)
        roll_back(dependencies, record, log_step)
        return
    previous_rasps = list(dependencies.inventory.rasps().values())
    dependencies.inventory.replace(rasps)
    for message in (
        *dependencies.update_prometheus_targets(),
        *dependencies.move_host_keys(previous_rasps, rasps),
    ):
        log_step(message)
    log_step(f"completed dhcpd.conf and the inventory of {record.kind} {record.id}")
    restore_power(dependencies, log_step)


def _restore_configuration(dependencies: InstallDependencies, record: InstallRecord) -> str:
    configuration, path = dependencies.configuration, record.config_path
    if path != configuration.path:
        return f"{path} was not restored, because the DHCP server now uses {configuration.path}"
    configuration.restore(record.previous_config, dependencies.inventory.rasps().values())
    if record.previous_config is None:
        return f"{path} did not exist before: it now contains the rasps of the previous inventory"
    return f"restored {path}"


def _interruption_message(record: InstallRecord) -> str:
    last_step = f" after `{record.steps[-1].text}`" if record.steps else ""
    return f"{record.kind} {record.id} was interrupted{last_step}"


def _format_stacks(stacks: Sequence[int]) -> str:
    return f"stack {stacks[0]}" if len(stacks) == 1 else f"{len(stacks)} stacks"
