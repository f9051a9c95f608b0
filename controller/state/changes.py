"""Changes of states and alerts that rules of Prometheus recorded, each with its time.

The rules record a sample only when something changes. A query therefore returns few samples for any
range, and no change between two steps of a range query is lost.
"""

from dataclasses import dataclass

from controller.state.prometheus import Prometheus, Series
from rack.layout import Slot

STATE_CHANGE_SERIES = "rack_stack_slot:pirack_rasp_state:change"
"""New state of a rasp: 0 down, 1 up, 4 off on purpose, -1 unknown."""

FIRST_UPTIME_SERIES = "rack_stack_slot:pirack_uptime_seconds:first"
"""Uptime of a rasp when it was read for the first time after a boot or a silence."""

ALERT_CHANGE_SERIES = "pirack:alerts:change"
"""1 for the start of an alert, 0 for its end."""

ALERT_CHANGE_DELAY_SECONDS = 10.0
"""Offset of the rule of alerts, by which its samples are late."""

_RECORDED_SERIES = "pirack:changes:recorded"
_RESOLUTIONS_PER_RANGE = 120


@dataclass(frozen=True, slots=True)
class RecordedChanges:
    """Recorded changes of a time.

    Attributes:
        series: Series of changes, each with the labels of the rasp or the alert.
        since: Time from which changes were recorded, in seconds since the epoch. None if none were
            recorded in this time.
    """

    series: tuple[Series, ...]
    since: float | None


def read_last_state_change(
    prometheus: Prometheus, rack: str, slot: Slot, *, start: float, end: float
) -> tuple[float, float] | None:
    """Return the time and the value of the last change of a rasp's state, or None without one.

    Args:
        prometheus: Client of the Prometheus that scrapes the rack.
        rack: Name of the rack.
        slot: Slot of the rasp.
        start: Seconds since the epoch.
        end: Seconds since the epoch.

    Raises:
        PrometheusUnavailableError: If Prometheus does not return a valid response.
    """
    matchers = f'rack="{rack}", stack="{slot.stack_name}", slot="{slot.number}"'
    series = prometheus.read_samples(f"{STATE_CHANGE_SERIES}{{{matchers}}}", start=start, end=end)
    return max((point for each in series for point in each.points), default=None)


def read_changes(prometheus: Prometheus, rack: str, *, start: float, end: float) -> RecordedChanges:
    """Return the changes after `start` and until `end`, with two queries.

    Args:
        prometheus: Client of the Prometheus that scrapes the rack.
        rack: Name of the rack. Alerts without a rack are included.
        start: Seconds since the epoch.
        end: Seconds since the epoch.

    Raises:
        PrometheusUnavailableError: If Prometheus does not return a valid response.
    """
    names = "|".join([STATE_CHANGE_SERIES, FIRST_UPTIME_SERIES, ALERT_CHANGE_SERIES])
    series = prometheus.read_samples(
        f'{{__name__=~"{names}", rack=~"|{rack}"}}', start=start, end=end
    )
    seconds = max(end - start, 1.0)
    resolution = max(seconds / _RESOLUTIONS_PER_RANGE, 1.0)
    first = prometheus.query(
        f"min_over_time(timestamp({_RECORDED_SERIES})"
        f"[{seconds:.0f}s:{resolution:.0f}s] @ {end:.3f})"
    )
    since = first[0].value if first else None
    if since is not None and since - start < 2 * resolution + ALERT_CHANGE_DELAY_SECONDS:
        since = start
    return RecordedChanges(tuple(series), since)
