"""What can be ordered of rasps, by the names that people write, whole or in part."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from cli.errors import UsageError

PING = "ping"
READ = "read"


@dataclass(frozen=True)
class Choice:
    """Something that can be ordered: an action or, where `alias` is one, the reading of it."""

    action: str
    alias: str | None
    help: str
    takes_down: bool


def choices(options: Iterable[Mapping[str, Any]]) -> dict[str, Choice]:
    """Return what the API's options offer, by name. An action goes before an alias of its name."""
    actions: dict[str, Choice] = {}
    aliases: dict[str, Choice] = {}
    for each in options:
        action, takes_down = str(each["action"]), bool(each["takes_down"])
        if action != READ:
            actions[action] = Choice(action, None, str(each["help"]), takes_down)
        for alias in each.get("aliases") or ():
            name = str(alias["name"])
            aliases[name] = Choice(action, name, str(alias["help"]), takes_down)
    return aliases | actions


def choose(name: str, offered: Mapping[str, Choice]) -> Choice:
    """Return what has this name, or the one whose name has this part.

    Raises:
        UsageError: there is none, or there are several.
    """
    if name in offered:
        return offered[name]
    found = [each for each in offered if name.lower() in each]
    if len(found) == 1:
        return offered[found[0]]
    if found:
        raise UsageError(f"{name!r} may be any of {', '.join(found)}: write more of it")
    raise UsageError(f"there is no action or alias {name!r}: write one of {', '.join(offered)}")
