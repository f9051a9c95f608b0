"""Verification of switched outlets."""

from collections.abc import Mapping, Sequence

from rack.clock import Moment
from rack.power.state import OutletReading, SwitchResult
from rack.power.verification import verify

SWITCHED = SwitchResult(Moment(1, 1), Moment(2, 2))
READ_AT = Moment(9, 9)


def verify_with(
    readings: Sequence[OutletReading], *, is_on: bool, result: SwitchResult = SWITCHED
) -> SwitchResult:
    """Verify outlet `a` with one reading after another. The last one repeats."""
    remaining = list(readings)

    def read(addresses: Sequence[str]) -> Mapping[str, OutletReading]:
        reading = remaining.pop(0) if len(remaining) > 1 else remaining[0]
        return dict.fromkeys(addresses, reading)

    verified = verify(
        {"a": result},
        {"a": is_on},
        read,
        now=lambda: READ_AT,
        timeout=0.05,
        describe=lambda address, problem: f"poe:{address}: {problem}",
        sleep=lambda _: None,
    )
    return verified["a"]


def test_outlet_that_has_its_power_at_once_switched_when_the_command_was_accepted() -> None:
    assert verify_with([OutletReading(True)], is_on=True) == SWITCHED


def test_outlet_that_switches_later_has_the_time_of_its_reading() -> None:
    readings = [OutletReading(True), OutletReading(None, error="busy"), OutletReading(False)]
    assert verify_with(readings, is_on=False) == SwitchResult(Moment(1, 1), READ_AT)


def test_outlet_that_does_not_switch_is_an_error() -> None:
    assert verify_with([OutletReading(False)], is_on=True) == SwitchResult(
        Moment(1, 1),
        None,
        "poe:a: the device accepted the command `on`, but the outlet is still off:"
        " check the device",
    )


def test_outlet_that_cannot_be_read_is_an_error() -> None:
    error = "poe:a: no reply within 5 s: check the switch"
    result = verify_with([OutletReading(None, error=error)], is_on=False)
    assert (result.after, result.error) == (None, error)


def test_outlet_that_cannot_be_observed_is_not_verified() -> None:
    result = verify_with([OutletReading(None)], is_on=False)
    assert (result.after, result.error, result.is_verified) == (SWITCHED.after, "", False)


def test_outlet_that_failed_is_not_read() -> None:
    failed = SwitchResult(Moment(1, 1), None, "poe:a: the switch rejected the command: check it")
    assert verify_with([OutletReading(True)], is_on=True, result=failed) == failed
