"""Verification of switched outlets: read them back until they have their power, or a timeout."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from rack.clock import Moment
from rack.power.state import OutletReading, SwitchResult

_INTERVAL = 0.2


def verify(
    results: Mapping[str, SwitchResult],
    power: Mapping[str, bool],
    read: Callable[[Sequence[str]], Mapping[str, OutletReading]],
    *,
    now: Callable[[], Moment],
    timeout: float,
    describe: Callable[[str, str], str],
    sleep: Callable[[float], None] = time.sleep,
) -> dict[str, SwitchResult]:
    """Return results that contain an error for each outlet without its power.

    A device may switch an outlet some time after it accepted the command. The outlet has switched
    when the device accepted the command, if the first reading confirms it, else when a later
    reading does. An outlet that cannot be observed is not verified.

    Args:
        results: Results of the commands, keyed by address. Failed outlets are not read.
        power: Power that was commanded, keyed by address.
        read: Reads outlets.
        now: Returns the current time on both clocks of the master.
        timeout: Seconds after which outlets that still differ have failed.
        describe: Returns the error line for an address and a problem.
        sleep: Waits for seconds.
    """
    verified = dict(results)
    pending = {address: "" for address, result in results.items() if not result.error}
    deadline = time.monotonic() + timeout
    is_first = True
    while pending:
        readings = read(tuple(pending))
        read_at = now()
        for address in tuple(pending):
            reading = readings[address]
            pending[address] = _problem(reading, power[address], address, describe)
            if not pending[address]:
                del pending[address]
                verified[address] = replace(
                    verified[address],
                    after=verified[address].after if is_first else read_at,
                    is_verified=reading.power is not None,
                )
        if time.monotonic() >= deadline:
            break
        if pending:
            sleep(_INTERVAL)
        is_first = False
    return verified | {
        address: replace(verified[address], after=None, error=error)
        for address, error in pending.items()
    }


def _problem(
    reading: OutletReading, is_on: bool, address: str, describe: Callable[[str, str], str]
) -> str:
    if reading.error:
        return reading.error
    if reading.power in (None, is_on):
        return ""
    state, other = ("off", "on") if is_on else ("on", "off")
    return describe(
        address,
        f"the device accepted the command `{other}`, but the outlet is still {state}:"
        " check the device",
    )
