"""Prometheus' and Alertmanager's own files, with time running faster in them.

So that whoever tries PiRack, or tests it, need not wait minutes for an alert. Nothing but times is
changed: rules, routes and thresholds are those of a real rack.
"""

import re

WAIT_KEYS = ("for", "keep_firing_for", "group_wait", "group_interval", "repeat_interval")
"""How long something must last, or a message waits."""

INTERVAL_KEYS = ("scrape_interval", "scrape_timeout", "evaluation_interval", "timeout")
"""How often Prometheus and blackbox_exporter ask, and how long they wait for the answer."""

_MILLISECONDS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}


def shorten_durations(text: str, factor: float, keys: tuple[str, ...] = WAIT_KEYS) -> str:
    """Return the text of a YAML file in which the times under these keys are divided by `factor`.

    A time is one number with one unit, as everywhere in PiRack's files.
    """

    def shortened(found: re.Match[str]) -> str:
        milliseconds = int(found["number"]) * _MILLISECONDS[found["unit"]]
        return f"{found['key']}{round(milliseconds / factor)}ms"

    return re.sub(
        rf"^(?P<key>[ -]*(?:{'|'.join(keys)}): *)(?P<number>\d+)(?P<unit>ms|[smhd])$",
        shortened,
        text,
        flags=re.MULTILINE,
    )
