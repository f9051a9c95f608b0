"""Paths on this server that requests name, and that responses may link or redirect to."""

import re
from urllib.parse import urlsplit

from flask import request

# Browsers treat a backslash as a slash and ignore tabs and line breaks.
_LOCAL_PATH = re.compile(r"/(?![/\\])[!-\[\]-~]*")


def safe_redirect_path(path: str, default: str = "/") -> str:
    """Return a path if it is on this server, otherwise the default."""
    return path if _LOCAL_PATH.fullmatch(path) else default


def referring_path() -> str:
    """Return the path and the query of the page that the current request came from, or ""."""
    try:
        parts = urlsplit(request.referrer or "")
    except ValueError:
        return ""
    path = f"{parts.path}?{parts.query}" if parts.query else parts.path
    is_other_page = parts.netloc == request.host and path != request.script_root + request.path
    return safe_redirect_path(path, default="") if is_other_page else ""
