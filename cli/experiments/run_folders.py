"""Folders of runs on the user's machine."""

import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from rack.errors import PiRackError

PLAN_FILE = "plan.toml"
FOLDER_FILE = "plan-folder.txt"
"""File with the folder of the plan file. It is not exported, because it may name the user."""


class RunFolderError(PiRackError):
    """The folder of a run cannot be used."""


class RunFolders:
    """The folders of the runs that this user has started.

    Args:
        folder: Folder of all runs, by default `$XDG_DATA_HOME/pirack/experiments`.
        environment: Environment variables.
    """

    def __init__(
        self, folder: Path | None = None, environment: Mapping[str, str] = os.environ
    ) -> None:
        self._folder = folder or _default_folder(environment)

    def find(self, run: int) -> Path | None:
        """Return the folder of a run, or None if the run was not started on this machine."""
        folder = self._folder / str(run)
        return folder if folder.is_dir() else None

    def command_folder(self, run: int, text: str) -> Path | None:
        """Return the folder in which the commands of a run were started, or None.

        It is None if the run was not started on this machine, or its plan file had another text.

        Args:
            run: Number of the run.
            text: Its plan file, as the controller returns it.
        """
        folder = self._folder / str(run)
        try:
            is_same = (folder / PLAN_FILE).read_text(encoding="utf-8") == text
            plan_folder = (folder / FOLDER_FILE).read_text(encoding="utf-8")
        except (OSError, ValueError):
            return None
        return Path(plan_folder) if is_same else None

    def create(self, run: int) -> Path:
        """Create and return the folder of a new run.

        The folder of an earlier run with this number, of another controller, is renamed.

        Raises:
            RunFolderError: If the folder cannot be created.
        """
        folder = self._folder / str(run)
        try:
            if folder.exists():
                changed = datetime.fromtimestamp(folder.stat().st_mtime, UTC)
                folder.rename(self._folder / f"{run}-{changed:%Y%m%dT%H%M%SZ}")
            folder.mkdir(mode=0o700, parents=True)
        except OSError as error:
            raise RunFolderError(
                f"cannot create {folder}: {error.strerror}: set XDG_DATA_HOME to a writable folder"
            ) from error
        return folder


def _default_folder(environment: Mapping[str, str]) -> Path:
    data = environment.get("XDG_DATA_HOME") or Path(environment.get("HOME", "~"), ".local", "share")
    return Path(data).expanduser() / "pirack" / "experiments"
