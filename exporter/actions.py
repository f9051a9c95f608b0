"""SSH forced command that runs the actions of an aliases file.

sshd runs this program instead of the requested command, and passes the requested command in
SSH_ORIGINAL_COMMAND. The request must be a name in `[actions]`. It never reaches a shell.
"""

import argparse
import os
import re
import signal
import subprocess
import sys
import syslog
from collections.abc import Mapping, Sequence
from pathlib import Path

from exporter.aliases import ACTIONS_SECTION, DEFAULT_PATH, Alias, AliasesError, load
from exporter.processes import SHELL
from exporter.runner import environment

DEFAULT_TIMEOUT = 60.0
"""Timeout in seconds of an action that sets none."""

EXIT_REFUSED = 126
"""Exit status for an unknown action. Shells use it for a command that cannot be run."""

EXIT_TIMED_OUT = 124
"""Exit status for an action that timed out, as in timeout(1)."""

_MAX_LOGGED_CHARS = 80
_NAME = re.compile(r"[a-z_][a-z0-9_]{0,63}")


class UnknownActionError(ValueError):
    """The request is not the name of an action. The text lists the valid names only."""


def resolve_action(requested: str, actions: Mapping[str, Alias]) -> Alias:
    """Return the action with this exact name. Raise UnknownActionError."""
    valid_names = ", ".join(sorted(actions)) or "none"
    if not requested:
        raise UnknownActionError(f"name an action, one of: {valid_names}")
    if not _NAME.fullmatch(requested):
        raise UnknownActionError(f"not a valid action name; actions: {valid_names}")
    try:
        return actions[requested]
    except KeyError:
        raise UnknownActionError(f"unknown action; actions: {valid_names}") from None


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the action in SSH_ORIGINAL_COMMAND and return its exit status."""
    parser = argparse.ArgumentParser(
        prog="pirack-action",
        description="Run the action in SSH_ORIGINAL_COMMAND, for command= in authorized_keys.",
    )
    parser.add_argument(
        "--aliases",
        type=Path,
        default=DEFAULT_PATH,
        metavar="FILE",
        help=f"aliases file with [{ACTIONS_SECTION}] (default: the packaged file)",
    )
    options = parser.parse_args(arguments)
    client = os.environ.get("SSH_CONNECTION", "").partition(" ")[0] or "local user"
    requested = os.environ.get("SSH_ORIGINAL_COMMAND", "")
    try:
        action = resolve_action(requested, load(options.aliases).actions)
    except (AliasesError, UnknownActionError) as error:
        _log_to_syslog(f"{client}: refused {requested[:_MAX_LOGGED_CHARS]!a}: {error}")
        sys.stderr.write(f"pirack-action: {error}\n")
        return EXIT_REFUSED
    status = _run(action)
    _log_to_syslog(f"{client}: ran {action.name}: exit status {status}")
    return status


def _run(action: Alias) -> int:
    """Run an action, which writes to stdout of this process, and return its exit status."""
    timeout = action.timeout or DEFAULT_TIMEOUT
    with subprocess.Popen(
        [SHELL, "-c", action.command],
        stdin=subprocess.DEVNULL,
        cwd="/",
        env=environment(Path("/")),
        start_new_session=True,
    ) as process:
        try:
            status = process.wait(timeout)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            sys.stderr.write(f"pirack-action: {action.name} took longer than {timeout:g} s\n")
            return EXIT_TIMED_OUT
    return status if status >= 0 else 128 - status


def _log_to_syslog(line: str) -> None:
    syslog.openlog("pirack-action", syslog.LOG_PID, syslog.LOG_AUTH)
    syslog.syslog(line)


if __name__ == "__main__":
    sys.exit(main())
