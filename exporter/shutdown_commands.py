"""Find commands that reboot the system or shut it down, which must not run at each scrape.

The programs of the simple commands decide. A word in an argument or a path does not: `last reboot`
and `cat /run/systemd/shutdown/scheduled` only read.
"""

import re
from collections.abc import Mapping, Sequence
from itertools import pairwise

from exporter.simple_commands import simple_commands

_PROGRAMS = frozenset({"reboot", "shutdown", "poweroff", "halt"})
_RUN_LEVELS = {"0": "shutdown", "6": "reboot"}
_SYSTEMCTL_VERBS = {
    **{name: name for name in _PROGRAMS},
    "kexec": "reboot",
    "soft-reboot": "reboot",
}
_SYSTEMCTL_START_VERBS = frozenset({"start", "restart", "isolate", "reload-or-restart"})
_RESTART_OPTIONS = frozenset({"-r", "--reboot"})
_SHELLS = frozenset({"sh", "bash", "dash", "ash", "ksh", "zsh", "su", "runuser", "script"})

# Programs that run the command in their arguments, with their short options that have a value, and
# the number of arguments before the command.
_WRAPPERS: Mapping[str, tuple[str, int]] = {
    "busybox": ("", 0),
    "chroot": ("", 1),
    "command": ("", 0),
    "doas": ("uC", 0),
    "env": ("uCS", 0),
    "exec": ("a", 0),
    "flock": ("wE", 1),
    "ionice": ("cnp", 0),
    "nice": ("n", 0),
    "nohup": ("", 0),
    "setpriv": ("", 0),
    "setsid": ("", 0),
    "stdbuf": ("ioe", 0),
    "sudo": ("ughpCTURDrt", 0),
    "systemd-run": ("puHMtE", 0),
    "time": ("fo", 0),
    "timeout": ("ks", 1),
    "unshare": ("", 0),
    "watch": ("n", 0),
    "xargs": ("nIPLdaEs", 0),
}

_ASSIGNMENT = re.compile(r"([A-Za-z_]\w*)=(.*)", re.DOTALL)
_VARIABLE = re.compile(r"\$\{?([A-Za-z_]\w*)\}?")
_COMMAND_OPTION = re.compile(r"-[a-z]*c|--command")
_MAX_NESTING = 8


def find_shutdown_command(text: str) -> str | None:
    """Return how a shell text ends the system: reboot, shutdown, poweroff or halt. None if not."""
    return _find(text, {}, 0)


def _find(text: str, variables: dict[str, str], nesting: int) -> str | None:
    for words in simple_commands(text):
        if found := _shutdown_program(words, variables, nesting):
            return found
    return None


def _shutdown_program(words: Sequence[str], variables: dict[str, str], nesting: int) -> str | None:
    """Return how a simple command ends the system, or None."""
    words = _after_assignments(words, variables)
    if not words or nesting > _MAX_NESTING:
        return None
    program, arguments = words[0].rpartition("/")[2], words[1:]
    if program in _WRAPPERS:
        return _shutdown_program(_wrapped_command(program, arguments), variables, nesting + 1)
    if program in _PROGRAMS:
        is_restart = program == "shutdown" and not _RESTART_OPTIONS.isdisjoint(arguments)
        return "reboot" if is_restart else program
    if program in {"init", "telinit"}:
        return _RUN_LEVELS.get(" ".join(arguments))
    if program == "systemctl":
        return _systemctl_verb(arguments)
    return _find(_text_for_shell(words, variables), variables, nesting + 1)


def _text_for_shell(words: Sequence[str], variables: Mapping[str, str]) -> str:
    """Return the text that a command passes to a shell or expands to a command, or nothing."""
    program, arguments = words[0].rpartition("/")[2], words[1:]
    if variable := _VARIABLE.fullmatch(words[0]):
        return " ".join([variables.get(variable[1], ""), *arguments])
    if program == "eval":
        return " ".join(arguments)
    if program in _SHELLS:
        for option, text in pairwise(arguments):
            if _COMMAND_OPTION.fullmatch(option):
                return text
    return ""


def _after_assignments(words: Sequence[str], variables: dict[str, str]) -> Sequence[str]:
    """Return the words after the leading assignments, and store the assigned values."""
    for number, word in enumerate(words):
        match = _ASSIGNMENT.fullmatch(word)
        if match is None:
            return words[number:]
        variables[match[1]] = match[2]
    return ()


def _wrapped_command(program: str, arguments: Sequence[str]) -> Sequence[str]:
    """Return the command in the arguments of a program such as sudo or timeout."""
    options_with_value, skipped = _WRAPPERS[program]
    position = 0
    while position < len(arguments) and arguments[position].startswith("-"):
        option = arguments[position]
        position += 1
        if option == "--":
            break
        if program == "command" and option in {"-v", "-V"}:
            return ()  # prints the path of a program
        # The value follows, as in `-u root`, unless it is attached, as in `-n5` and `--adjust=5`.
        if not option.startswith("--") and option[-1] in options_with_value:
            position += 1
    return arguments[position + skipped :]


def _systemctl_verb(arguments: Sequence[str]) -> str | None:
    words = [argument for argument in arguments if not argument.startswith("-")]
    if not words:
        return None
    verb, units = words[0], words[1:]
    if verb in _SYSTEMCTL_VERBS:
        return _SYSTEMCTL_VERBS[verb]
    if verb in _SYSTEMCTL_START_VERBS:
        for unit in units:
            name, _, suffix = unit.rpartition(".")
            if name in _PROGRAMS and suffix in {"target", "service"}:
                return name
    return None
