"""Fields of the forms that submit orders."""

from collections.abc import Collection, Sequence

from werkzeug.datastructures import MultiDict
from werkzeug.exceptions import UnprocessableEntity

from controller.orders.actions import Actions
from controller.orders.model import OrderRequest, Scope
from rack.layout import Rack
from rack.targets import (
    parse_targets,
    resolve_slot,
    resolve_slots,
    resolve_stack,
    selects_whole_stacks,
)


def request_from_form(form: MultiDict[str, str], actions: Actions, rack: Rack) -> OrderRequest:
    """Return the order request of a form for a rack.

    The fields are `action` (a name or `read:ALIAS`), `force`, and either `rack`, `targets` (see
    `select_targets`) or any number of `rasp` and `stack`. Power actions apply to the selected
    stacks, or to the selected rasps if they have outlets of their own. Other actions apply to the
    selected rasps and to all rasps of the selected stacks.

    Raises:
        UnprocessableEntity: If nothing is selected, or if the power of the selected rasps cannot be
            switched without that of others.
        UnknownTargetError: If a rasp or stack does not exist, or as `select_targets`.
    """
    action, _, alias = form.get("action", "").partition(":")
    is_forced = form.get("force") == "yes"

    def request_for(scope: Scope, ids: tuple[int, ...]) -> OrderRequest:
        return OrderRequest(action, scope, ids, alias or None, is_forced)

    is_power = action in {each.name for each in actions.for_stacks if each.is_power}
    if form.get("rack"):
        return request_for("rack", ())
    if expressions := form.get("targets", "").split():
        return request_for(*select_targets(expressions, rack, for_power=is_power))
    rasps = {resolve_slot(rack, text).id for text in form.getlist("rasp")}
    stacks = tuple(sorted({resolve_stack(rack, text).number for text in form.getlist("stack")}))
    if not rasps and not stacks:
        raise UnprocessableEntity("nothing is selected: select rasps or stacks")
    if is_power:
        rasps = _rasps_to_switch(rack, rasps, stacks)
    if not rasps:
        return request_for("stacks", stacks)
    rasps_of_stacks = {slot.id for number in stacks for slot in rack.stack(number).slots}
    return request_for("rasps", tuple(sorted(rasps_of_stacks.union(rasps))))


def select_targets(
    expressions: Sequence[str], rack: Rack, *, for_power: bool
) -> tuple[Scope, tuple[int, ...]]:
    """Return the scope and the ids of target expressions, which select the same as in `pirack`.

    Args:
        expressions: Target expressions.
        rack: Layout of the rack.
        for_power: Whether a power action is for these targets.

    Raises:
        UnknownTargetError: If an expression is invalid, or selects rasps whose power cannot be
            switched without that of others.
    """
    targets = parse_targets(rack, expressions)
    if for_power:
        are_stacks = selects_whole_stacks(rack, expressions)
    else:
        are_stacks = all(slot is None for _, slot in targets)
    if not are_stacks:
        return "rasps", tuple(slot.id for slot in resolve_slots(rack, expressions))
    if list(expressions) == ["all"]:
        return "rack", ()
    return "stacks", tuple(sorted(stack for stack, _ in targets))


def _rasps_to_switch(rack: Rack, rasps: Collection[int], stacks: Collection[int]) -> set[int]:
    """Return the rasps of a power action, or an empty set if it applies to the stacks.

    Rasps that share an outlet are ignored if stacks are selected, as are the rasps of these stacks.

    Raises:
        UnprocessableEntity: If no selected rasp has an outlet of its own and no stack is selected,
            or if the rasps and a stack with a shared outlet would be switched by different orders.
    """
    others = {rasp for rasp in rasps if rack.slot(rasp).stack not in stacks}
    own = {rasp for rasp in others if rack.stack(rack.slot(rasp).stack).has_outlet_per_slot}
    if not own:
        if not stacks:
            raise UnprocessableEntity("power actions apply to whole stacks: select stacks")
        return set()
    if not all(rack.stack(number).has_outlet_per_slot for number in stacks):
        raise UnprocessableEntity(
            "stacks with a shared outlet and single rasps are switched by different orders: select"
            " either stacks or rasps"
        )
    return others


def form_fields(order_request: OrderRequest) -> dict[str, list[str]]:
    """Return the form fields of an order request without `force`, which requires confirmation."""
    action = order_request.action + (f":{order_request.alias}" if order_request.alias else "")
    if order_request.scope == "rack":
        return {"action": [action], "rack": ["yes"]}
    return {
        "action": [action],
        order_request.scope.removesuffix("s"): [str(target_id) for target_id in order_request.ids],
    }
