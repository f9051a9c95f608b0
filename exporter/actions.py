"""`pirack-action`: the one command that the master's key may run on a rasp.

sshd runs it in place of whatever was asked for, and tells in SSH_ORIGINAL_COMMAND what that was.
A name in `[actions]` is looked up there and its command is run; no text from outside ever reaches
a shell.
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
"""Seconds that an action may take if it has no time-out of its own."""

EXIT_REFUSED = 126
"""Exit status for what is no action here, as a shell's for what cannot be run."""

EXIT_TIMED_OUT = 124
"""Exit status for an action that took too long, as timeout(1) has it."""

_MAX_LOGGED_CHARS = 80
_NAME = re.compile(r"[a-z_][a-z0-9_]{0,63}")


class UnknownActionError(ValueError):
    """What was asked for is no action; the text says what to ask for, and repeats none of it."""


def resolve_action(requested: str, actions: Mapping[str, Alias]) -> Alias:
    """Return the action that `requested` names, to the letter. Raises ActionError."""
    known = ", ".join(sorted(actions)) or "none"
    if not requested:
        raise UnknownActionError(f"name an action, one of: {known}")
    if not _NAME.fullmatch(requested):
        raise UnknownActionError(f"not the name of an action; there are: {known}")
    try:
        return actions[requested]
    except KeyError:
        raise UnknownActionError(f"no such action here; there are: {known}") from None


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the action that SSH_ORIGINAL_COMMAND names, and return its exit status."""
    parser = argparse.ArgumentParser(
        prog="pirack-action",
        description="Run the action that SSH_ORIGINAL_COMMAND names, for command= in "
        "authorized_keys.",
    )
    parser.add_argument(
        "--aliases",
        type=Path,
        default=DEFAULT_PATH,
        metavar="FILE",
        help=f"the file whose [{ACTIONS_SECTION}] counts (default: the packaged one)",
    )
    options = parser.parse_args(arguments)
    client = os.environ.get("SSH_CONNECTION", "").partition(" ")[0] or "someone here"
    asked = os.environ.get("SSH_ORIGINAL_COMMAND", "")
    try:
        action = resolve_action(asked, load(options.aliases).actions)
    except (AliasesError, UnknownActionError) as error:
        _log_to_syslog(f"{client} was refused {asked[:_MAX_LOGGED_CHARS]!a}: {error}")
        sys.stderr.write(f"pirack-action: {error}\n")
        return EXIT_REFUSED
    status = _run(action)
    _log_to_syslog(f"{client} ordered {action.name}: exit status {status}")
    return status


def _run(action: Alias) -> int:
    """Run an action, its output ours; return its exit status. Past its time it is killed."""
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
