"""What can be done to a rasp, a stack or the rack: the actions, and who they are for."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from controller.errors import UnknownAction
from controller.orders.order import Wanted
from exporter.aliases import Alias, Aliases, ends_system
from rack.layout import Rack, Slot

PING, READ = "ping", "read"
POWER_ON, POWER_OFF, POWER_CYCLE = "power_on", "power_off", "power_cycle"

SHUTDOWN = "shutdown"
"""The action of `[actions]` that a stack's rasps are sent before its power is cut."""

_OWN = {
    PING: "See now whether it answers.",
    READ: "Read one of its aliases now.",
    POWER_ON: "Give it power, and see its rasps come up.",
    POWER_OFF: "Shut its rasps down, see them gone, and cut its power.",
    POWER_CYCLE: "The same, and then give it power again.",
}
_POWER = frozenset({POWER_ON, POWER_OFF, POWER_CYCLE})


@dataclass(frozen=True, slots=True)
class Action:
    """Something that can be done.

    `is_quick`: its order is over when it is answered. `takes_down`: rasps go down by it.
    `comes_back`: and come up again by themselves. `command` is the alias of `[actions]` that it
    runs on a rasp, None where it is not one.
    """

    name: str
    help: str
    is_quick: bool = False
    takes_down: bool = False
    comes_back: bool = False
    command: Alias | None = None

    @property
    def is_power(self) -> bool:
        """Whether it is about the power of whole stacks."""
        return self.name in _POWER


class Actions:
    """The actions of a rack whose rasps have these aliases."""

    def __init__(self, aliases: Aliases) -> None:
        self._aliases: Mapping[str, Alias] = {alias.label: alias for alias in aliases.metrics}
        self._of_rasps = {
            PING: Action(PING, _OWN[PING], is_quick=True),
            READ: Action(READ, _OWN[READ], is_quick=True),
        } | {name: _of_rasp(alias) for name, alias in aliases.actions.items() if name not in _OWN}
        self._of_stacks = self._of_rasps | {
            name: Action(name, _OWN[name], takes_down=name != POWER_ON) for name in sorted(_POWER)
        }

    @property
    def of_rasps(self) -> Collection[Action]:
        """What can be done to rasps."""
        return self._of_rasps.values()

    @property
    def of_stacks(self) -> Collection[Action]:
        """What can be done to stacks, or to the rack: all that can be to their rasps, and power."""
        return self._of_stacks.values()

    @property
    def aliases(self) -> Collection[Alias]:
        """What can be read."""
        return self._aliases.values()

    def choose(self, wanted: Wanted) -> Action:
        """Return the action that somebody wants.

        Raises:
            UnknownAction: there is none of that name for such targets, or `alias` or `force` do not
                go with it.
        """
        known = self._of_rasps if wanted.scope == "rasps" else self._of_stacks
        action = known.get(wanted.action)
        if action is None:
            raise UnknownAction(
                "action",
                f"no action {wanted.action!r} for {wanted.scope}; there are: {', '.join(known)}",
            )
        if (wanted.alias is not None) != (action.name == READ):
            raise UnknownAction(
                "alias",
                f"name the alias to {READ}" if action.name == READ else f"goes with {READ} alone",
            )
        if wanted.alias is not None and wanted.alias not in self._aliases:
            raise UnknownAction(
                "alias", f"no alias {wanted.alias!r}; there are: {', '.join(self._aliases)}"
            )
        if wanted.force and action.name not in {POWER_OFF, POWER_CYCLE}:
            raise UnknownAction("force", f"goes with {POWER_OFF} and {POWER_CYCLE} alone")
        return action


def slots_of(rack: Rack, wanted: Wanted) -> tuple[Slot, ...]:
    """Return the slots that somebody means, each once, in order of their ids.

    Raises:
        UnknownPlace: there is no such rasp or stack.
    """
    if wanted.scope == "rack":
        return rack.slots
    if wanted.scope == "rasps":
        return tuple(rack.slot(number) for number in sorted(set(wanted.ids)))
    stacks = [rack.stack(number) for number in sorted(set(wanted.ids))]
    return tuple(slot for stack in stacks for slot in stack.slots)


def _of_rasp(alias: Alias) -> Action:
    end = ends_system(alias.command)
    return Action(
        alias.name,
        alias.help,
        takes_down=end is not None,
        comes_back=end == "reboot",
        command=alias,
    )
