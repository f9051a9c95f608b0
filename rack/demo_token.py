"""The API token of a running demo, which `pirack` finds in the folder in which the demo runs."""

import os
import stat
from pathlib import Path

from rack.files import write_private

_FILE_NAME = "token"
_STATE_FOLDERS = ".demo*"


def write_demo_token(state: Path, url: str, token: str) -> None:
    """Write the token of a demo for its user only.

    Args:
        state: State folder of the demo.
        url: URL of the demo's controller.
        token: API token.
    """
    write_private(state / _FILE_NAME, f"{url} {token}\n")


def remove_demo_token(state: Path) -> None:
    """Remove the token of a demo that ends."""
    (state / _FILE_NAME).unlink(missing_ok=True)


def find_demo_token(url: str, folder: Path) -> str | None:
    """Return the token of a demo in a folder, or None.

    A file of another user, or one that others can read or write, is ignored.

    Args:
        url: URL of the controller. The token is for this controller only.
        folder: Folder in which the demo runs.
    """
    for path in sorted(folder.glob(f"{_STATE_FOLDERS}/{_FILE_NAME}")):
        try:
            with path.open(encoding="utf-8", errors="replace") as file:
                status = os.fstat(file.fileno())
                text = file.read(1000)
        except OSError:
            continue
        is_private = not status.st_mode & (stat.S_IRWXG | stat.S_IRWXO)
        demo_url, _, token = text.strip().partition(" ")
        if is_private and status.st_uid == os.geteuid() and demo_url == url.rstrip("/"):
            return token
    return None
