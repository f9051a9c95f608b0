"""What a power driver reports about outlets."""

from dataclasses import dataclass

from rack.clock import Moment


@dataclass(frozen=True, slots=True)
class OutletReading:
    """State of an outlet, as read from its device.

    Attributes:
        power: Whether the outlet supplies power, or None if this is unknown.
        watts: Measured power consumption, or None if the device does not measure it.
        detail: What the device reports in addition, for example `delivering power`.
        error: Why the outlet cannot be read, with a fix. An empty string if it was read, or if its
            device cannot report the power at all.
    """

    power: bool | None
    watts: float | None = None
    detail: str = ""
    error: str = ""


@dataclass(frozen=True, slots=True)
class SwitchResult:
    """Result of one change of an outlet.

    Attributes:
        before: Time immediately before the outlet was switched, or None if it was not switched.
        after: Time at which the outlet had switched at the latest, or None if it was not switched.
        error: Why the outlet was not switched, or why this is unknown, with a fix. An empty string
            if it was switched.
        is_verified: Whether the outlet was read back after the change. False for a device that
            cannot be read.
    """

    before: Moment | None
    after: Moment | None
    error: str = ""
    is_verified: bool = True
