"""Theme of the pages: light, dark, or the color scheme of the browser.

The server renders the theme from a cookie, so that a page never appears in another theme first.
"""

from enum import StrEnum

from flask import request
from werkzeug.wrappers import Response

from controller.auth.access_control import session_cookie_path

THEME_COOKIE = "pirack_theme"

_COOKIE_SECONDS = 365 * 86400


class Theme(StrEnum):
    """A theme. `system` follows the browser."""

    SYSTEM = "system"
    LIGHT = "light"
    DARK = "dark"


def parse_theme(text: str) -> Theme:
    """Return the theme with this name, or `system`."""
    return Theme(text) if text in set(Theme) else Theme.SYSTEM


def current_theme() -> Theme:
    """Return the theme of the current request."""
    return parse_theme(request.cookies.get(THEME_COOKIE, ""))


def set_theme_cookie(response: Response, theme: Theme) -> None:
    """Store a theme in the browser."""
    response.set_cookie(
        THEME_COOKIE,
        theme,
        max_age=_COOKIE_SECONDS,
        path=session_cookie_path(),
        httponly=True,
        samesite="Lax",
        secure=request.is_secure,
    )
