"""Run programs, write files and report errors while a machine is set up. Standard library only."""

import logging
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from rack.errors import PiRackError
from rack.files import replace_file

COMMAND_TIMEOUT = 1800.0

_MAX_SHOWN_CHARS = 80
_EXIT_ERROR = 2
_EXIT_INTERRUPTED = 130

_log = logging.getLogger("install_master")


class MasterSetupError(PiRackError):
    """This machine cannot be set up as a master."""


def run_main(program: str, function: Callable[[], None]) -> int:
    """Run a function, print errors as `pirack` does, and return the exit status."""
    try:
        function()
    except KeyboardInterrupt:
        return _EXIT_INTERRUPTED
    except (PiRackError, OSError) as error:
        sys.stderr.write(f"{program}: {error}\n")
        return _EXIT_ERROR
    return 0


def copy(source: Path, target: Path, *, mode: int = 0o644) -> None:
    """Copy a file if the target differs."""
    target.parent.mkdir(parents=True, exist_ok=True)
    write(target, source.read_bytes(), mode=mode)


def write(path: Path, content: bytes, *, mode: int = 0o644) -> None:
    """Replace a file atomically if its content differs."""
    if path.exists() and path.read_bytes() == content:
        return
    replace_file(path, content, mode=mode)


def install_conffile(content: bytes, target: Path) -> None:
    """Install a configuration file. If it was modified locally, write `….new` instead.

    A hidden copy of the installed version reveals local changes at the next call.
    """
    shipped = target.with_name(f".{target.name}.shipped")
    new = target.with_name(f"{target.name}.new")
    target.parent.mkdir(parents=True, exist_ok=True)
    is_modified = target.exists() and (
        not shipped.exists() or shipped.read_bytes() != target.read_bytes()
    )
    if is_modified and target.read_bytes() != content:
        if not shipped.exists() or shipped.read_bytes() != content:
            write(new, content)
            _log.info("Kept %s because of local changes; the new version is %s", target, new)
    else:
        new.unlink(missing_ok=True)
        write(target, content)
    write(shipped, content)


def link(path: Path, target: Path) -> None:
    """Create a symbolic link, or replace an existing file with a link. Keep the same link."""
    if path.is_symlink() and path.readlink() == target:
        return
    temporary = path.with_name(f".{path.name}.temporary")
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(target)
    temporary.replace(path)


def run(*command: str, cwd: Path = Path("/"), env: Mapping[str, str] | None = None) -> str:
    """Run a program until it exits. Return its output.

    Raises:
        MasterSetupError: If the program is missing, fails or exceeds the timeout.
    """
    try:
        completed = subprocess.run(
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
    if completed.returncode:
        output = (completed.stderr.strip() or completed.stdout.strip()).splitlines()
        reason = output[-1] if output else f"exit status {completed.returncode}"
        raise MasterSetupError(f"`{_format_command(command)}`: {reason}")
    return completed.stdout


def _format_command(command: Sequence[str]) -> str:
    line = " ".join(command).replace("\n", " ")
    return line if len(line) <= _MAX_SHOWN_CHARS else f"{line[: _MAX_SHOWN_CHARS - 3]}..."
