"""Times in the addresses of pages and of the API."""

import re
from datetime import UTC, datetime

_DATE = re.compile(r"\d{4}-")  # Python also accepts `20261129`


def parse_moment(text: str) -> float:
    """Return the seconds since the epoch of an ISO 8601 time.

    A time without a zone is in the time zone of the master.

    Raises:
        ValueError: If the text is not a time.
    """
    message = f"{text[:40]!r} is not a time: write it like 2026-11-29T13:59:00Z"
    if not _DATE.match(text):
        raise ValueError(message)
    try:
        return datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError, OSError) as error:
        raise ValueError(message) from error


def format_moment(seconds: float) -> str:
    """Return an ISO 8601 time in UTC, rounded down to seconds: `2026-11-29T13:59:00Z`."""
    return datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
