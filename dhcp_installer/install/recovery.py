"""Recovery of interrupted installs by rolling back or forward.

Rolling back restores dhcpd.conf. If the assignment of slots is final, rolling forward completes
dhcpd.conf and the inventory. Both operations restore the power of the outlets and are idempotent.

A DHCP server that does not run with the restored file is a problem of the install, but nothing is
left to recover: the server may not have run before the install either.
"""

from collections.abc import Callable

from dhcp_installer.errors import DhcpRestartError, InstallError
from dhcp_installer.install.context import InstallDependencies
from dhcp_installer.install.journal import InstallRecord, InstallState
from dhcp_installer.install.outlet_text import describe
from rack.errors import PiRackError

LogStep = Callable[[str], None]


def recover_interrupted(
    dependencies: InstallDependencies,
    log_step: LogStep,
    state: InstallState = InstallState.INTERRUPTED,
) -> None:
    """Recover all interrupted installs and set their final state.

    The final state is `failed` if the DHCP server does not run with the restored file.

    Raises:
        InstallError: If an install cannot be recovered.
        DatabaseError: If the journal cannot be read or written.
    """
    for record in dependencies.journal.list_interrupted():
        log_step(_interruption_message(record))
        try:
            if record.assignment is not None:
                problem = _roll_forward(dependencies, record, log_step)
            else:
                problem = roll_back(dependencies, record, log_step)
        except PiRackError as error:
            reason = f"{record.kind} {record.id} cannot be recovered: {error}"
            dependencies.journal.set_state(record.id, InstallState.INTERRUPTED, reason)
            raise InstallError(reason) from error
        final_state = InstallState.FAILED if problem else state
        dependencies.journal.finish(record.id, final_state, join_problems(record.error, problem))


def join_problems(*problems: str) -> str:
    """Return the problems that are not empty in one line."""
    return "; ".join(filter(None, problems))


def roll_back(dependencies: InstallDependencies, record: InstallRecord, log_step: LogStep) -> str:
    """Restore dhcpd.conf and the power of the outlets.

    Returns:
        The problem of a DHCP server that does not run with the restored file, empty if none.

    Raises:
        PiRackError: If the file or an outlet fails.
    """
    if not record.config_written:  # no outlet was switched either
        return ""
    try:
        return _restore_configuration(dependencies, record, log_step)
    finally:
        restore_power(dependencies, log_step)


def restore_power(dependencies: InstallDependencies, log_step: LogStep) -> None:
    """Restore the power of the outlets that an install switched.

    Raises:
        PiRackError: If an outlet or the database fails.
    """
    if outlets := dependencies.outlets.restore_after_install():
        log_step(f"restored the power of {describe(outlets)}")


def _roll_forward(
    dependencies: InstallDependencies, record: InstallRecord, log_step: LogStep
) -> str:
    rasps = record.assignment or ()
    try:
        dependencies.configuration.activate(dependencies.configuration.render(rasps))
    except InstallError as error:
        log_step(f"the new configuration cannot be activated and is rolled back: {error}")
        dependencies.journal.record_assignment(record.id, None)
        return roll_back(dependencies, record, log_step)
    previous_rasps = list(dependencies.inventory.rasps().values())
    dependencies.inventory.replace(rasps)
    for message in (
        *dependencies.update_prometheus_targets(),
        *dependencies.move_host_keys(previous_rasps, rasps),
    ):
        log_step(message)
    log_step(f"completed dhcpd.conf and the inventory of {record.kind} {record.id}")
    restore_power(dependencies, log_step)
    return ""


def _restore_configuration(
    dependencies: InstallDependencies, record: InstallRecord, log_step: LogStep
) -> str:
    configuration, path = dependencies.configuration, record.config_path
    if path != configuration.path:
        log_step(f"{path} was not restored, because the DHCP server now uses {configuration.path}")
        return ""
    try:
        configuration.restore(record.previous_config, dependencies.inventory.rasps().values())
    except DhcpRestartError as error:
        problem = f"{path} is restored, but the DHCP server does not run with it: {error}"
        log_step(problem)
        return problem
    if record.previous_config is None:
        log_step(
            f"{path} did not exist before: it now contains the rasps of the previous inventory"
        )
    else:
        log_step(f"restored {path}")
    return ""


def _interruption_message(record: InstallRecord) -> str:
    last_step = f" after `{record.steps[-1].text}`" if record.steps else ""
    return f"{record.kind} {record.id} was interrupted{last_step}"
