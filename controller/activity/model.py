"""Events of the activity, and conditions for them."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from controller.auth.roles import Role
from rack.names import rasp_name, stack_name

Level = Literal["", "warning", "critical"]
"""Severity of an event, empty if it is normal."""


class ActivityKind(StrEnum):
    """Kind of an event.

    `power`: an outlet was switched. `state`: a rasp is down, off, up or unknown, or booted.
    `replacement`: the board of a slot was replaced, or two were swapped. `login`: also logouts and
    wrong passwords. `experiment`: a run.
    """

    ORDER = "order"
    POWER = "power"
    STATE = "state"
    ALERT = "alert"
    INSTALL = "install"
    REPLACEMENT = "replacement"
    LOGIN = "login"
    EXPERIMENT = "experiment"


VIEWER_KINDS = frozenset({ActivityKind.POWER, ActivityKind.STATE, ActivityKind.ALERT})
"""Kinds that every role sees. The others contain users, addresses and what they did."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened.

    Attributes:
        id: Identifier that stays the same, for example `order-12`.
        time: Seconds since the epoch.
        kind: Kind of the event.
        text: One line for people.
        change: What happened to its stacks or rasps, for example `off`. Events with the same change
            are counted together. Empty if the text says more.
        stacks: Numbers of the stacks that it concerns as a whole.
        rasps: Names of the single rasps that it concerns.
        actor: Who caused it, empty if unknown.
        link: Path of the page about it, or empty.
        cause: What caused it, for example `order 12`, `install 3` or `run 4`, or empty.
        level: Severity.
    """

    id: str
    time: float
    kind: ActivityKind
    text: str
    change: str = ""
    stacks: tuple[int, ...] = ()
    rasps: tuple[str, ...] = ()
    actor: str = ""
    link: str = ""
    cause: str = ""
    level: Level = ""

    @property
    def is_own_cause(self) -> bool:
        """Whether this is the event of the order, install or run that other events name."""
        return bool(self.cause) and self.id == id_of_cause(self.cause)

    def concerns(self, stack: int, slot: int | None) -> bool:
        """Return whether the event concerns a rasp or, if `slot` is None, any rasp of a stack."""
        if stack in self.stacks:
            return True
        if slot is not None:
            return rasp_name(stack, slot) in self.rasps
        return any(name.startswith(f"{stack_name(stack)}-") for name in self.rasps)


@dataclass(frozen=True, slots=True)
class ActivityFilter:
    """Conditions for events, all of which must match. An empty condition matches every event.

    Args:
        kinds: Kinds of events.
        targets: (stack, slot) of rasps, and (stack, None) of stacks. An event matches if it
            concerns one of them.
        actor: Part of the actor. Case is ignored.
    """

    kinds: frozenset[ActivityKind] = frozenset()
    targets: frozenset[tuple[int, int | None]] = frozenset()
    actor: str = ""

    def matches(self, event: Event) -> bool:
        """Return whether an event meets all conditions."""
        return (
            (not self.kinds or event.kind in self.kinds)
            and (not self.targets or any(event.concerns(*target) for target in self.targets))
            and self.actor.lower() in event.actor.lower()
        )


def sees_everything(role: Role | None) -> bool:
    """Return whether a role sees all kinds and all actors, as in the lists of orders and audit."""
    return role is not None and role.includes(Role.OPERATOR)


def visible_kinds(role: Role | None) -> frozenset[ActivityKind]:
    """Return the kinds of events that a role sees."""
    return frozenset(ActivityKind) if sees_everything(role) else VIEWER_KINDS


def id_of_cause(cause: str) -> str:
    """Return the id of the event of an order, an install or a run: `order-12` for `order 12`."""
    return cause.replace(" ", "-")
