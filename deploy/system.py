"""What is done to a machine that is installed on: programs run, files written in one step."""

import logging
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from rack.files import replace_file

COMMAND_TIMEOUT = 1800.0

_log = logging.getLogger("install_master")


class MasterSetupError(Exception):
    """This machine cannot be made a master; the text is one line with its mend."""


def copy(source: Path, target: Path, *, mode: int = 0o644) -> None:
    """Bring a file to where it belongs, if it is not there as it should be."""
    target.parent.mkdir(parents=True, exist_ok=True)
    write(target, source.read_bytes(), mode=mode)


def write(path: Path, content: bytes, *, mode: int = 0o644) -> None:
    """Write a file, if it is not there as it should be; a reader sees the old one or the new."""
    if path.exists() and path.read_bytes() == content:
        return
    replace_file(path, content, mode=mode)


def install_conffile(content: bytes, target: Path) -> None:
    """Write a file, unless people have changed it: then the new one is laid beside it.

    What was written last time is kept, hidden, to tell the one from the other.
    """
    shipped = target.with_name(f".{target.name}.shipped")
    beside = target.with_name(f"{target.name}.new")
    target.parent.mkdir(parents=True, exist_ok=True)
    is_own = target.exists() and (
        not shipped.exists() or shipped.read_bytes() != target.read_bytes()
    )
    if is_own and target.read_bytes() != content:
        if not shipped.exists() or shipped.read_bytes() != content:
            write(beside, content)
            _log.info("%s is yours and was kept; what is new is in %s", target, beside)
    else:
        beside.unlink(missing_ok=True)
        write(target, content)
    write(shipped, content)


def link(path: Path, target: Path) -> None:
    """Make a symbolic link, in the place of whatever was there."""
    fresh = path.with_name(f".{path.name}.fresh")
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(target)
    fresh.replace(path)


def run(*command: str, cwd: Path = Path("/"), env: Mapping[str, str] | None = None) -> None:
    """Run a program to its end.

    Raises:
        InstallError: it cannot be run, takes too long or fails; the text has its last line.
    """
    try:
        ended = subprocess.run(
            command,
            cwd=cwd,
            env=env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=COMMAND_TIMEOUT,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise MasterSetupError(f"`{_format_command(command)}`: {error}") from error
    if ended.returncode:
        said = (ended.stderr.strip() or ended.stdout.strip()).splitlines()
        raise MasterSetupError(
            f"`{_format_command(command)}`: {said[-1] if said else ended.returncode}"
        )


def _format_command(command: Sequence[str]) -> str:
    line = " ".join(command).replace("\n", " ")
    return line if len(line) <= 80 else f"{line[:77]}..."  # noqa: PLR2004
