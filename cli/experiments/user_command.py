"""Commands of a plan that run on the user's machine, with the user's rights and without a shell.

A plan names them for the client, the check, places and probes. Placeholders: `{nodes}` stands for
the addresses of the nodes, `{names}` for their names, and `{history}` for the file of the history.
"""

import os
import re
import shlex
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rack.errors import PiRackError

_PLACEHOLDER = re.compile(r"\{(\w+)\}")
_LISTS = ("{nodes}", "{names}")
_HISTORY = "{history}"
_KNOWN = ", ".join((*_LISTS, _HISTORY))


class UserCommandError(PiRackError):
    """A command of a plan cannot be run on this machine."""


@dataclass(frozen=True)
class Node:
    """A rasp of an experiment.

    Attributes:
        name: Name of the rasp, such as `03-2`.
        address: Its IP address.
    """

    name: str
    address: str


@dataclass(frozen=True)
class UserCommand:
    """A command of a plan.

    Attributes:
        key: Its key in the plan file, such as `client`.
        text: The command as written in the plan file.
    """

    key: str
    text: str

    def arguments(self, nodes: Sequence[Node], history: Path) -> list[str]:
        """Return the words of the command with the values of its placeholders.

        Raises:
            UserCommandError: If the command is malformed.
        """
        values = {
            "{nodes}": [node.address for node in nodes],
            "{names}": [node.name for node in nodes],
        }
        arguments: list[str] = []
        for word in self._words():
            arguments += values.get(word, [word.replace(_HISTORY, str(history))])
        return arguments

    def require_program(self, folder: Path, search_path: str | None = None) -> None:
        """Raise UserCommandError if the command is malformed, or its program cannot be started.

        Args:
            folder: Folder of the plan file, in which the command runs.
            search_path: Folders of programs, by default those of the variable PATH.
        """
        program = self._words()[0]
        if "/" not in program:
            if shutil.which(program, path=search_path) is None:
                raise self._error(f"{program} is not in PATH: install it, or write its path")
            return
        file = folder / program
        if not file.is_file():
            raise self._error(f"{program} does not exist in {folder}: correct the path")
        if not os.access(file, os.X_OK):
            raise self._error(f"{file} is not executable: run chmod +x {file}")

    def _words(self) -> list[str]:
        try:
            words = shlex.split(self.text)
        except ValueError as error:
            raise self._error(f"{self.text!r} is not a command, {error}: close the quote") from None
        if not words or not words[0]:
            raise self._error("the command is empty: write the path of a program")
        for word in words:
            self._check_placeholders(word)
        return words

    def _check_placeholders(self, word: str) -> None:
        for name in _PLACEHOLDER.findall(word):
            placeholder = f"{{{name}}}"
            if placeholder not in {*_LISTS, _HISTORY}:
                raise self._error(f"{placeholder} is unknown: use {_KNOWN}")
            if placeholder in _LISTS and word != placeholder:
                raise self._error(
                    f"{placeholder} in {word!r} stands for several words:"
                    " separate it from other text with spaces"
                )

    def _error(self, problem: str) -> UserCommandError:
        return UserCommandError(f"{self.key}: {problem}")


def require_programs(
    commands: Iterable[UserCommand], file: str, folder: Path, search_path: str | None = None
) -> None:
    """Check that the commands of a plan file can be started from its folder.

    Raises:
        UserCommandError: If one of them cannot be started.
    """
    for command in commands:
        try:
            command.require_program(folder, search_path)
        except UserCommandError as error:
            raise UserCommandError(f"{file}: {error}") from error
