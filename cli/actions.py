"""What can be ordered of rasps, by the names that people write, whole or in part."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from cli.errors import UsageError

PING = "ping"
READ = "read"


@dataclass(frozen=True)
class ActionOption:
    """Something that can be ordered: an action or, where `alias` is one, the reading of it."""

    action: str
    alias: str | None
    help: str
    is_disruptive: bool


def parse_options(options: Iterable[Mapping[str, Any]]) -> dict[str, ActionOption]:
    """Return what the API's options offer, by name. An action goes before an alias of its name."""
    actions: dict[str, ActionOption] = {}
    aliases: dict[str, ActionOption] = {}
    for each in options:
        action, takes_down = str(each["action"]), bool(each["takes_down"])
        if action != READ:
            actions[action] = ActionOption(action, None, str(each["help"]), takes_down)
        for alias in each.get("aliases") or ():
            name = str(alias["name"])
            aliases[name] = ActionOption(action, name, str(alias["help"]), takes_down)
    return aliases | actions


def resolve(name: str, available: Mapping[str, ActionOption]) -> ActionOption:
    """Return what has this name, or the one whose name has this part.

    Raises:
        UsageError: there is none, or there are several.
    """
    if name in available:
        return available[name]
    found = [each for each in available if name.lower() in each]
    if len(found) == 1:
        return available[found[0]]
    if found:
        raise UsageError(f"{name!r} may be any of {', '.join(found)}: write more of it")
    raise UsageError(f"there is no action or alias {name!r}: write one of {', '.join(available)}")
