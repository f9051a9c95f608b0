"""The token that shows the controller who asks; never on the command line, where others see it."""

import os
import stat
from collections.abc import Mapping
from pathlib import Path

from cli.errors import UsageError

VARIABLE = "PIRACK_TOKEN"


def path(environment: Mapping[str, str]) -> Path:
    """Return the file that may hold the token."""
    folder = environment.get("XDG_CONFIG_HOME") or Path(environment.get("HOME", "~"), ".config")
    return Path(folder).expanduser() / "pirack" / "token"


def read(environment: Mapping[str, str] = os.environ) -> str | None:
    """Return the token of the environment, else that of the file, else None.

    Raises:
        UsageError: others can read the file, it cannot be read, or there is no token in it.
    """
    if given := environment.get(VARIABLE):
        return _validate_token(given, VARIABLE)
    file = path(environment)
    try:
        with file.open(encoding="utf-8", errors="replace") as opened:
            mode = os.fstat(opened.fileno()).st_mode
            if mode & (stat.S_IRWXG | stat.S_IRWXO):
                raise UsageError(f"{file} can be read by others: run chmod 600 {file}")
            return _validate_token(opened.read(), str(file))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}") from error


def _validate_token(text: str, source: str) -> str:
    token = text.strip()
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        raise UsageError(f"{source} holds no token: put one there, in one line, or remove it")
    return token
