"""Actions and aliases for orders, resolved from a name or a unique part of a name."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from cli.models import ApiAction
from rack.names import matching_names
from rack.terminal import CommandError

PING = "ping"
READ = "read"


@dataclass(frozen=True)
class ActionOption:
    """An action, which reads `alias` if that is not None."""

    action: str
    alias: str | None
    help: str
    is_disruptive: bool


def list_options(actions: Iterable[ApiAction]) -> dict[str, ActionOption]:
    """Return actions and aliases, keyed by name. An action hides an alias of the same name."""
    by_action: dict[str, ActionOption] = {}
    by_alias: dict[str, ActionOption] = {}
    for action in actions:
        if action.action != READ:
            by_action[action.action] = ActionOption(
                action.action, None, action.help, action.is_disruptive
            )
        for alias in action.aliases or ():
            by_alias[alias.name] = ActionOption(
                action.action, alias.name, alias.help, action.is_disruptive
            )
    return by_alias | by_action


def resolve(name: str, available: Mapping[str, ActionOption]) -> ActionOption:
    """Return the option with this name, or the only option whose name contains it.

    Raises:
        CommandError: If no option or several options match.
    """
    matches = matching_names(name, available)
    if len(matches) == 1:
        return available[matches[0]]
    if matches:
        raise CommandError(f"{name!r} is ambiguous: use one of {', '.join(matches)}")
    raise CommandError(f"unknown action or alias {name!r}: use one of {', '.join(available)}")
