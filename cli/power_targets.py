"""Targets of power commands: whole stacks, or rasps with outlets of their own."""

from collections.abc import Iterable, Sequence
from typing import Literal

from cli.api_client import ApiClient
from cli.models import ApiStack
from rack.targets import TargetParser

PowerScope = Literal["stacks", "rasps"]


def fetch_power_targets(
    client: ApiClient, expressions: Sequence[str]
) -> tuple[PowerScope, list[int]]:
    """Return the scope of an order, and the numbers of stacks or the ids of rasps.

    Raises:
        UnknownTargetError: If a target is malformed, ambiguous or does not exist, or if its power
            cannot be switched without that of other rasps.
    """
    return select_power_targets(client.get("stacks", list[ApiStack]).data, expressions)


def select_power_targets(
    stacks: Sequence[ApiStack], expressions: Iterable[str]
) -> tuple[PowerScope, list[int]]:
    """Return the scope and the ids. See `fetch_power_targets`."""
    expressions = list(expressions)
    parser = TargetParser([len(stack.rasps) for stack in stacks])
    own_outlets = {stack.number for stack in stacks if stack.has_outlet_per_slot}
    if parser.selects_whole_stacks(expressions, own_outlets):
        return "stacks", parser.stacks(expressions)
    slots = parser.slots(expressions)
    rasps = [rasp for stack in stacks for rasp in stack.rasps]
    return "rasps", [rasp.id for rasp in rasps if (rasp.stack, rasp.slot) in slots]
