"""The traces of an install that did not come to its end: taken back, or completed.

Before an install has decided who sits where, dhcpd.conf goes back to what it was. After that
moment both dhcpd.conf and inventory are made what was decided, for either of them may be so
already. In both cases each stack that the install still has gets the power that it had before.
Doing it twice does no harm, so a kill while it is done does none.
"""

from collections.abc import Callable, Sequence

from dhcp_installer.errors import InstallError
from dhcp_installer.install.context import InstallDependencies
from dhcp_installer.install.journal import InstallRecord, InstallState
from rack.errors import RackError

LogStep = Callable[[str], None]


def recover_interrupted(
    dependencies: InstallDependencies,
    log_step: LogStep,
    state: InstallState = InstallState.INTERRUPTED,
) -> None:
    """Settle the traces of all installs that were interrupted; that is their state then.

    Raises:
        InstallError, RackError: one cannot be; the text says which, why, and the mend.
    """
    for entry in dependencies.journal.list_interrupted():
        log_step(_interruption_message(entry))
        try:
            if entry.assignment is not None:
                _roll_forward(dependencies, entry, log_step)
            else:
                roll_back(dependencies, entry, log_step)
        except (InstallError, RackError) as error:
            trouble = f"what {entry.kind} {entry.id} has left cannot be put in order: {error}"
            dependencies.journal.set_state(entry.id, InstallState.INTERRUPTED, trouble)
            raise InstallError(trouble) from error
        dependencies.journal.finish(entry.id, state, entry.error)


def roll_back(dependencies: InstallDependencies, record: InstallRecord, log_step: LogStep) -> None:
    """Put dhcpd.conf and the stacks' power back; raises what `recover_interrupted` raises."""
    if not record.config_written:  # then no relay was moved either
        return
    try:
        log_step(_restore_configuration(dependencies, record))
    finally:
        restore_power(dependencies, log_step)


def restore_power(dependencies: InstallDependencies, log_step: LogStep) -> None:
    """Give the stacks their power back; raises what `Relays.restore_after_install` raises."""
    if stacks := dependencies.relays.restore_after_install():
        log_step(f"{_format_stacks(stacks)} again the power from before")


def _roll_forward(
    dependencies: InstallDependencies, record: InstallRecord, log_step: LogStep
) -> None:
    rasps = record.assignment or ()
    try:
        dependencies.configuration.activate(dependencies.configuration.render(rasps))
    except InstallError as error:
        log_step(f"what was decided cannot be put in force, and is taken back: {error}")
        dependencies.journal.record_assignment(record.id, None)
        roll_back(dependencies, record, log_step)
        return
    dependencies.inventory.replace(rasps)
    for remark in dependencies.update_prometheus_targets():
        log_step(remark)
    log_step(f"dhcpd.conf and inventory are as {record.kind} {record.id} had decided")
    restore_power(dependencies, log_step)


def _restore_configuration(dependencies: InstallDependencies, record: InstallRecord) -> str:
    if record.config_path != dependencies.configuration.path:
        return f"{record.config_path} was left as it is: this is about {dependencies.configuration.path}"
    dependencies.configuration.restore(
        record.previous_config, dependencies.inventory.rasps().values()
    )
    if record.previous_config is None:
        return f"{record.config_path}, which is new, has the rasps that were known before"
    return f"{record.config_path} is again as before"


def _interruption_message(record: InstallRecord) -> str:
    steps = record.steps
    last = f", after `{steps[-1].text}`" if steps else ""
    return f"{record.kind} {record.id} was interrupted{last}"


def _format_stacks(stacks: Sequence[int]) -> str:
    if len(stacks) == 1:
        return f"stack {stacks[0]} has"
    return f"{len(stacks)} stacks have"
