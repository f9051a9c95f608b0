"""Fields of the forms that submit orders."""

from collections.abc import Collection

from werkzeug.datastructures import MultiDict
from werkzeug.exceptions import UnprocessableEntity

from controller.orders.actions import Actions
from controller.orders.model import OrderRequest, Scope
from rack.layout import Rack
from rack.targets import resolve_slot, resolve_stack


def request_from_form(form: MultiDict[str, str], actions: Actions, rack: Rack) -> OrderRequest:
    """Return the order request of a form for a rack.

    The fields are `action` (a name or `read:ALIAS`), `force`, and either `rack` or any number of
    `rasp` and `stack`. Power actions apply to the selected stacks, or to the selected rasps if they
    have outlets of their own. Other actions apply to the selected rasps and to all rasps of the
    selected stacks.

    Raises:
        UnprocessableEntity: If nothing is selected, or if the power of the selected rasps cannot be
            switched without that of others.
        UnknownTargetError: If a rasp or stack does not exist.
    """
    action, _, alias = form.get("action", "").partition(":")
    is_forced = form.get("force") == "yes"

    def request_for(scope: Scope, ids: tuple[int, ...]) -> OrderRequest:
        return OrderRequest(action, scope, ids, alias or None, is_forced)

    if form.get("rack"):
        return request_for("rack", ())
    rasps = {resolve_slot(rack, text).id for text in form.getlist("rasp")}
    stacks = tuple(sorted({resolve_stack(rack, text).number for text in form.getlist("stack")}))
    if not rasps and not stacks:
        raise UnprocessableEntity("nothing is selected: select rasps or stacks")
    if action in {each.name for each in actions.for_stacks if each.is_power}:
        rasps = _rasps_to_switch(rack, rasps, stacks)
    if not rasps:
        return request_for("stacks", stacks)
    rasps_of_stacks = {slot.id for number in stacks for slot in rack.stack(number).slots}
    return request_for("rasps", tuple(sorted(rasps_of_stacks.union(rasps))))


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
