"""Orders that users type with the words of `pirack`, such as `reboot 3/2` or `power cycle 03`."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from controller.orders.actions import READ, Action, Actions
from controller.orders.model import OrderRequest, describe_targets
from controller.orders.plan import make_plan
from controller.pages.order_form import select_targets
from rack.layout import Rack
from rack.names import HOST_NAME_PREFIX, matching_names

_TARGET = re.compile(rf"({HOST_NAME_PREFIX})?[0-9].*|all", re.IGNORECASE)
_OMITTED = frozenset({"run", READ})
"""First words that may precede the name of an action or alias, as in `pirack run`."""


@dataclass(frozen=True, slots=True)
class TypedText:
    """A text, divided into the name of an action or alias, and target expressions.

    Args:
        name: Name or a part of it, with underscores. Empty if the text begins with a target.
        targets: Target expressions, which were not parsed yet.
    """

    name: str
    targets: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> "TypedText":
        """Divide a text at its first word that looks like a target."""
        words = text.split()
        first = next((i for i, word in enumerate(words) if _TARGET.fullmatch(word)), len(words))
        names, targets = words[:first], words[first:]
        if len(names) > 1 and names[0].lower() in _OMITTED:
            del names[0]
        return cls("_".join(names), tuple(target.lower() for target in targets))


@dataclass(frozen=True, slots=True)
class TypedAction:
    """An action with the name that users type, which is the alias for `read`.

    Args:
        name: Name of the action or alias.
        action: The action.
        alias: The alias to read, or None.
        help: One sentence for users.
    """

    name: str
    action: Action
    alias: str | None
    help: str

    @property
    def field(self) -> str:
        """Value of the field `action` of forms."""
        return self.action.name + (f":{self.alias}" if self.alias else "")

    @property
    def label(self) -> str:
        """Text for people, for example `Power cycle`."""
        label = OrderRequest(self.action.name, "rack", alias=self.alias).label
        return label[:1].upper() + label[1:]

    def target_text(self, expressions: tuple[str, ...], actions: Actions, rack: Rack) -> str:
        """Return the targets of this action for people.

        Raises:
            InvalidActionError: If the action is not allowed for these targets.
            UnknownTargetError: If an expression is invalid, or selects rasps whose power cannot be
                switched without that of others.
        """
        scope, ids = select_targets(expressions, rack, for_power=self.action.is_power)
        request = OrderRequest(self.action.name, scope, ids, self.alias)
        return describe_targets(request, make_plan(request, actions, rack).targets)


def typed_actions(name: str, actions: Actions) -> list[TypedAction]:
    """Return the action or alias with a name, or all whose name contains it, as in `pirack`."""
    available = _available(actions)
    return [available[each] for each in matching_names(name, available)] if name else []


def _available(actions: Actions) -> Mapping[str, TypedAction]:
    """Return all actions and aliases. An action hides an alias of the same name."""
    by_name = {action.name: action for action in actions.for_stacks}
    read = by_name.pop(READ)
    by_alias = {
        alias.label: TypedAction(alias.label, read, alias.label, alias.help)
        for alias in actions.aliases
        if alias.label not in by_name
    }
    by_action = {
        name: TypedAction(name, action, None, action.help) for name, action in by_name.items()
    }
    return by_action | by_alias
