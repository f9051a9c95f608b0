"""Actions that orders can run on rasps, stacks and the rack."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from controller.errors import InvalidActionError
from controller.orders.model import OrderRequest
from exporter.aliases import Alias, Aliases
from exporter.shutdown_commands import find_shutdown_command

PING, READ = "ping", "read"
POWER_ON, POWER_OFF, POWER_CYCLE = "power_on", "power_off", "power_cycle"

SHUTDOWN = "shutdown"
"""Action of `[actions]` that shuts a rasp down before its power is cut."""

_BUILTIN = {
    PING: "Ping the rasps.",
    READ: "Read one alias from the exporters.",
    POWER_ON: "Switch the power on and wait until the rasps have booted.",
    POWER_OFF: "Shut the rasps down, verify that they are down, and switch the power off.",
    POWER_CYCLE: "Shut the rasps down, verify that they are down, and switch the power off and on.",
}
_POWER_ACTIONS = frozenset({POWER_ON, POWER_OFF, POWER_CYCLE})


@dataclass(frozen=True, slots=True)
class Action:
    """An action that an order can run.

    Args:
        name: Name of the action.
        help: One sentence for users.
        is_synchronous: Whether the order finishes before the response is sent.
        is_disruptive: Whether the action takes rasps down.
        restarts: Whether the rasps boot again automatically.
        command: Alias of `[actions]` that runs on a rasp, None for built-in actions.
    """

    name: str
    help: str
    is_synchronous: bool = False
    is_disruptive: bool = False
    restarts: bool = False
    command: Alias | None = None

    @property
    def is_power(self) -> bool:
        """Whether the action switches power."""
        return self.name in _POWER_ACTIONS


class Actions:
    """The actions of a rack with these aliases."""

    def __init__(self, aliases: Aliases) -> None:
        self._aliases: Mapping[str, Alias] = {alias.label: alias for alias in aliases.metrics}
        self._for_rasps = {
            PING: Action(PING, _BUILTIN[PING], is_synchronous=True),
            READ: Action(READ, _BUILTIN[READ], is_synchronous=True),
        } | {
            name: _action_from_alias(alias)
            for name, alias in aliases.actions.items()
            if name not in _BUILTIN
        }
        self._all = self._for_rasps | {
            name: Action(name, _BUILTIN[name], is_disruptive=name != POWER_ON)
            for name in sorted(_POWER_ACTIONS)
        }

    @property
    def for_rasps(self) -> Collection[Action]:
        """Actions for all rasps. Those with an outlet of their own also have power actions."""
        return self._for_rasps.values()

    @property
    def for_stacks(self) -> Collection[Action]:
        """Actions for stacks and the rack: actions for rasps, and power actions."""
        return self._all.values()

    @property
    def aliases(self) -> Collection[Alias]:
        """Aliases that `read` accepts."""
        return self._aliases.values()

    def resolve(self, request: OrderRequest) -> Action:
        """Return the action of a request.

        Raises:
            InvalidActionError: If the action is unknown, or does not accept `alias` or `force`.
        """
        action = self._all.get(request.action)
        if action is None:
            raise InvalidActionError(
                "action",
                f"unknown action {request.action!r}: use one of {', '.join(self._all)}",
            )
        if action.name == READ and request.alias is None:
            raise InvalidActionError("alias", f"{READ} requires an alias")
        if action.name != READ and request.alias is not None:
            raise InvalidActionError("alias", f"only {READ} accepts an alias")
        if request.alias is not None and request.alias not in self._aliases:
            raise InvalidActionError(
                "alias", f"unknown alias {request.alias!r}: use one of {', '.join(self._aliases)}"
            )
        if request.force and action.name not in {POWER_OFF, POWER_CYCLE}:
            raise InvalidActionError("force", f"only {POWER_OFF} and {POWER_CYCLE} accept force")
        return action


def _action_from_alias(alias: Alias) -> Action:
    shutdown_command = find_shutdown_command(alias.command)
    return Action(
        alias.name,
        alias.help,
        is_disruptive=shutdown_command is not None,
        restarts=shutdown_command == "reboot",
        command=alias,
    )
