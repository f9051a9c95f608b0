"""The commands of a plan file, as they are on the user's machine.

The controller validates plan files, but it is not trusted to name the commands that run here.
"""

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cli.experiments.user_command import UserCommand
from rack.errors import PiRackError

_MAX_BYTES = 40 * 2**10  # of the controller


class LocalPlanError(PiRackError):
    """A plan file cannot be read on this machine."""


@dataclass(frozen=True)
class LocalPlan:
    """A plan file and its commands.

    Attributes:
        file: Name of the file.
        folder: Folder in which its commands run.
        text: Content of the file.
        nodes: What the plan selects, such as `3 stacks`.
        client: Command that loads the nodes, or None.
        check: Command that checks the history, or None.
        places: Commands that name nodes at run time, by the name of the place.
        probes: Commands that succeed in a steady state.
    """

    file: str
    folder: Path
    text: str
    nodes: str
    client: UserCommand | None
    check: UserCommand | None
    places: Mapping[str, UserCommand]
    probes: tuple[UserCommand, ...]

    @property
    def commands(self) -> Iterator[UserCommand]:
        """All commands."""
        yield from filter(None, (self.client, self.check))
        yield from self.places.values()
        yield from self.probes


def read_plan_text(path: Path) -> str:
    """Return the content of a plan file.

    Raises:
        LocalPlanError: If the file cannot be read, is too large or is not UTF-8.
    """
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_BYTES + 1)
    except OSError as error:
        raise LocalPlanError(f"cannot read {path}: {error.strerror}: correct the path") from error
    if len(content) > _MAX_BYTES:
        raise LocalPlanError(f"{path} is larger than 40 KiB: name a plan file in TOML")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise LocalPlanError(f"{path} is not UTF-8 text: name a plan file in TOML") from error


def parse_local_plan(text: str, file: str, folder: Path) -> LocalPlan:
    """Return the commands of a plan that the controller has accepted.

    Raises:
        LocalPlanError: If the text is not a plan.
    """
    try:
        table = tomllib.loads(text)
        check = table.get("check", {})
        return LocalPlan(
            file=file,
            folder=folder,
            text=text,
            nodes=_text(table.get("nodes", "")),
            client=_command("client", table.get("client")),
            check=_command("check", check.get("command") if isinstance(check, dict) else None),
            places={
                name: UserCommand(f"place.{name}", _text(place["command"]))
                for name, place in _tables(table.get("place", {})).items()
            },
            probes=tuple(
                UserCommand("probe", _text(probe["command"]))
                for probe in table.get("probe", [])
                if probe.get("command")
            ),
        )
    except (tomllib.TOMLDecodeError, KeyError, TypeError, AttributeError) as error:
        raise LocalPlanError(f"{file} is not a plan, {error}: correct the file") from error


def _command(key: str, value: Any) -> UserCommand | None:
    return UserCommand(key, _text(value)) if value else None


def _tables(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise TypeError("place is not a table")
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is not a text")
    return value
