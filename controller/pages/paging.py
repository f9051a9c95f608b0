"""Pages of long lists, newest first."""

from flask import request

from rack.database import MAX_ROW_ID

PAGE_SIZE = 50
"""Number of rows of a page."""


def requested_before() -> int | None:
    """Return the id before which the requested page of a list starts, or None for the first."""
    text = request.args.get("before", "")
    is_number = text.isascii() and text.isdecimal() and len(text) < len(str(MAX_ROW_ID))
    return int(text) if is_number and int(text) > 0 else None
