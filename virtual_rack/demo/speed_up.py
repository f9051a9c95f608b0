"""Shorten the durations in the configuration of Prometheus and Alertmanager.

With shorter durations, the demo and the tests receive alerts sooner. Only durations are changed.
"""

import re

WAIT_KEYS = ("for", "keep_firing_for", "group_wait", "group_interval", "repeat_interval")
"""Keys of alert durations and notification delays."""

INTERVAL_KEYS = ("scrape_interval", "scrape_timeout", "evaluation_interval", "timeout")
"""Keys of scrape intervals and timeouts."""

_MILLISECONDS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}


def shorten_durations(text: str, factor: float, keys: tuple[str, ...] = WAIT_KEYS) -> str:
    """Return the YAML text with the durations of these keys divided by `factor`.

    A duration must consist of one number and one unit.
    """

    def shorten(match: re.Match[str]) -> str:
        milliseconds = int(match["number"]) * _MILLISECONDS[match["unit"]]
        return f"{match['key']}{round(milliseconds / factor)}ms"

    return re.sub(
        rf"^(?P<key>[ -]*(?:{'|'.join(keys)}): *)(?P<number>\d+)(?P<unit>ms|[smhd])$",
        shorten,
        text,
        flags=re.MULTILINE,
    )
