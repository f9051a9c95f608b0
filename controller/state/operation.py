"""Which operation of an order or install explains the state of a rasp."""

from controller.state.model import OutletState, RaspOperation, RaspStatus
from rack.power.commanded_power import CommandedPower


def power_age(
    outlet: OutletState, commanded: CommandedPower | None, *, now: float, boot_seconds: float
) -> float | None:
    """Return the seconds since an outlet was switched on, or None if its rasps must have booted.

    Args:
        outlet: State of the outlet.
        commanded: Its last command.
        now: Current time in seconds since the boot of the master.
        boot_seconds: Maximum time from power on to the first response of a rasp.
    """
    if commanded is None or not commanded.is_on or not commanded.has_power or outlet.error:
        return None
    # A change of power before the boot of the master has the time 0.
    is_recent = commanded.since > 0 and now - commanded.since < boot_seconds
    return now - commanded.since if is_recent else None


def current_operation(
    operation: RaspOperation | None,
    state: RaspStatus,
    seconds_since_power_on: float | None,
    unseen_seconds: float | None,
) -> RaspOperation | None:
    """Return the operation of a rasp.

    A rasp that has not been scraped since it got power is booting, also if no order waits for it. A
    rasp that is up has booted, whatever its order waits for.

    Args:
        operation: RaspOperation that an order or install reports.
        state: State of the rasp.
        seconds_since_power_on: Result of `power_age`.
        unseen_seconds: Seconds since the last successful scrape, or None if there was none.
    """
    if state is RaspStatus.UP:
        return None if operation is RaspOperation.BOOTING else operation
    if operation is None and seconds_since_power_on is not None and state is not RaspStatus.UNKNOWN:
        is_unseen = unseen_seconds is None or unseen_seconds > seconds_since_power_on
        return RaspOperation.BOOTING if is_unseen else None
    return operation
