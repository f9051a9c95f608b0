"""The API token. It is not a command-line option, because other users can read command lines."""

import os
import stat
from collections.abc import Mapping
from pathlib import Path

from rack.demo_token import find_demo_token
from rack.terminal import CommandError

VARIABLE = "PIRACK_TOKEN"


def path(environment: Mapping[str, str]) -> Path:
    """Return the path of the token file."""
    folder = environment.get("XDG_CONFIG_HOME") or Path(environment.get("HOME", "~"), ".config")
    return Path(folder).expanduser() / "pirack" / "token"


def read(
    url: str, environment: Mapping[str, str] = os.environ, folder: Path = Path()
) -> str | None:
    """Return the token from the environment, of a demo, or from the file, or None.

    Args:
        url: URL of the controller.
        environment: Environment variables.
        folder: Folder in which a demo may run.

    Raises:
        CommandError: If the file is unreadable or readable by others, or the token is invalid.
    """
    if value := environment.get(VARIABLE):
        return _validate_token(value, VARIABLE)
    if demo_token := find_demo_token(url, folder):
        return demo_token
    file_path = path(environment)
    try:
        with file_path.open(encoding="utf-8-sig", errors="replace") as file:
            mode = os.fstat(file.fileno()).st_mode
            if mode & (stat.S_IRWXG | stat.S_IRWXO):
                raise CommandError(
                    f"{file_path} is readable by other users: run chmod 600 {file_path}"
                )
            return _validate_token(file.read(), str(file_path))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise CommandError(f"cannot read {file_path}: {error.strerror}") from error


def _validate_token(text: str, source: str) -> str:
    token = text.strip()
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        raise CommandError(f"{source} does not contain a valid token: write one line, or remove it")
    return token
