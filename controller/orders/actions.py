"""What can be done to a rasp, a stack or the rack: the actions, and who they are for."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from controller.errors import InvalidActionError
from controller.orders.model import OrderRequest
from exporter.aliases import Alias, Aliases, shutdown_keyword
from rack.layout import Rack, Slot

PING, READ = "ping", "read"
POWER_ON, POWER_OFF, POWER_CYCLE = "power_on", "power_off", "power_cycle"

SHUTDOWN = "shutdown"
"""The action of `[actions]` that a stack's rasps are sent before its power is cut."""

_BUILTIN = {
    PING: "See now whether it answers.",
    READ: "Read one of its aliases now.",
    POWER_ON: "Give it power, and see its rasps come up.",
    POWER_OFF: "Shut its rasps down, see them gone, and cut its power.",
    POWER_CYCLE: "The same, and then give it power again.",
}
_POWER_ACTIONS = frozenset({POWER_ON, POWER_OFF, POWER_CYCLE})


@dataclass(frozen=True, slots=True)
class Action:
    """Something that can be done.

    `is_synchronous`: its order is over when it is answered. `is_disruptive`: rasps go down by it.
    `restarts`: and come up again by themselves. `command` is the alias of `[actions]` that it
    runs on a rasp, None where it is not one.
    """

    name: str
    help: str
    is_synchronous: bool = False
    is_disruptive: bool = False
    restarts: bool = False
    command: Alias | None = None

    @property
    def is_power(self) -> bool:
        """Whether it is about the power of whole stacks."""
        return self.name in _POWER_ACTIONS


class Actions:
    """The actions of a rack whose rasps have these aliases."""

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
        self._for_stacks = self._for_rasps | {
            name: Action(name, _BUILTIN[name], is_disruptive=name != POWER_ON)
            for name in sorted(_POWER_ACTIONS)
        }

    @property
    def for_rasps(self) -> Collection[Action]:
        """What can be done to rasps."""
        return self._for_rasps.values()

    @property
    def for_stacks(self) -> Collection[Action]:
        """What can be done to stacks, or to the rack: all that can be to their rasps, and power."""
        return self._for_stacks.values()

    @property
    def aliases(self) -> Collection[Alias]:
        """What can be read."""
        return self._aliases.values()

    def resolve(self, request: OrderRequest) -> Action:
        """Return the action that somebody wants.

        Raises:
            UnknownAction: there is none of that name for such targets, or `alias` or `force` do not
                go with it.
        """
        known = self._for_rasps if request.scope == "rasps" else self._for_stacks
        action = known.get(request.action)
        if action is None:
            raise InvalidActionError(
                "action",
                f"no action {request.action!r} for {request.scope}; there are: {', '.join(known)}",
            )
        if (request.alias is not None) != (action.name == READ):
            raise InvalidActionError(
                "alias",
                f"name the alias to {READ}" if action.name == READ else f"goes with {READ} alone",
            )
        if request.alias is not None and request.alias not in self._aliases:
            raise InvalidActionError(
                "alias", f"no alias {request.alias!r}; there are: {', '.join(self._aliases)}"
            )
        if request.force and action.name not in {POWER_OFF, POWER_CYCLE}:
            raise InvalidActionError("force", f"goes with {POWER_OFF} and {POWER_CYCLE} alone")
        return action


def slots_for_request(rack: Rack, request: OrderRequest) -> tuple[Slot, ...]:
    """Return the slots that somebody means, each once, in order of their ids.

    Raises:
        UnknownPlace: there is no such rasp or stack.
    """
    if request.scope == "rack":
        return rack.slots
    if request.scope == "rasps":
        return tuple(rack.slot(number) for number in sorted(set(request.ids)))
    stacks = [rack.stack(number) for number in sorted(set(request.ids))]
    return tuple(slot for stack in stacks for slot in stack.slots)


def _action_from_alias(alias: Alias) -> Action:
    end = shutdown_keyword(alias.command)
    return Action(
        alias.name,
        alias.help,
        is_disruptive=end is not None,
        restarts=end == "reboot",
        command=alias,
    )
