"""Check the wiring of the relays: what the stacks do, compared with what was commanded."""

from collections.abc import Sequence

from controller.doctor.finding import Finding, FindingSeverity, NotCheckedError
from controller.state.model import PowerState, RackState, StackState
from rack.layout import GPIO
from rack.settings import RelayBoard

NAME = "relay_wiring"

_MIN_STACKS = 2  # a single stack can also have a stuck relay or no supply
_GUIDE = "docs/how-to/wiring.md"
_EACH_STACK = "the power of the stack is not what the pages show, and experiments are wrong"


def check_wiring(state: RackState) -> list[Finding]:
    """Return what contradicts the settings `relays` of rack.toml.

    A stack that was switched off, but whose rasps respond, has power. A stack that was switched on,
    but none of whose rasps responds, may have none. If this applies to all stacks at once, the
    settings do not match the wiring.

    Raises:
        NotCheckedError: If the states of the rasps are unknown.
    """
    if state.error:
        raise NotCheckedError(
            state.error, "fix the finding about Prometheus, or `sudo systemctl restart prometheus`"
        )
    known = [stack for stack in state.stacks if _is_known(stack)]
    differing = [stack for stack in known if stack.power_mismatch]
    board = state.rack.relays
    if board and len(known) >= _MIN_STACKS and len(differing) == len(known):
        return [_all_differ(differing, board)]
    return [*_exchanged_pins(differing), *map(_one_differs, differing), *_moved_pins(state)]


def _is_known(stack: StackState) -> bool:
    return (
        PowerState.UNKNOWN not in {stack.power, stack.observed}
        and not stack.outlet_differs
        and _has_relays(stack)
        and not stack.reserved_by
    )


def _all_differ(stacks: Sequence[StackState], board: RelayBoard) -> Finding:
    are_off = [stack for stack in stacks if stack.power is PowerState.OFF]
    are_on = [stack for stack in stacks if stack.power is PowerState.ON]
    problems = []
    if are_off:
        problems.append(f"{_names(are_off)} switched off, but rasps respond")
    if are_on:
        problems.append(f"{_names(are_on)} switched on, but no rasp responds")
    others = "" if are_off else ". If both are right, the supply or the switch has failed"
    present, opposite = (str(value).lower() for value in (board.active_high, not board.active_high))
    return Finding(
        NAME,
        FindingSeverity.ERROR if are_off else FindingSeverity.WARNING,
        problem="; ".join(problems) + ": the polarity or the contact in rack.toml is wrong",
        reason="`power off` switches stacks on, and `power on` cuts their power",
        fix=f"pull one input wire off the relay board. If its stack has power then, set"
        f' relays.contact = "normally_closed" in rack.toml, otherwise "normally_open" (now'
        f' "{board.contact}"). If the contact was right, set relays.active_high = {opposite} (now'
        f" {present}). Then run `sudo python3 -m deploy.install_master`. See {_GUIDE}#polarity"
        f"{others}",
    )


def _exchanged_pins(stacks: Sequence[StackState]) -> list[Finding]:
    off = [stack for stack in stacks if stack.power is PowerState.OFF]
    on = [stack for stack in stacks if stack.power is PowerState.ON]
    if not off or not on:
        return []
    pins = " and ".join(
        f"{outlet.address} ({outlet.target})"
        for stack in (*off, *on)
        for outlet in stack.stack.outlets
    )
    return [
        Finding(
            NAME,
            FindingSeverity.ERROR,
            problem=f"{_names(off)} switched off, but rasps respond, and {_names(on)} switched on,"
            " but no rasp responds: their pins may be exchanged",
            reason="an order for one stack switches another one",
            fix=f"follow the wires of the pins {pins}, and exchange stacks.pin in rack.toml"
            " accordingly. Then run `sudo python3 -m deploy.install_master`",
        )
    ]


def _one_differs(stack: StackState) -> Finding:
    number = stack.stack.number
    if stack.power is PowerState.OFF:
        fix = f"pull the plug of the stack, then check its relay ({_GUIDE}#stuck-relays)"
    else:
        fix = f"`pirack power cycle {number}`. If no rasp responds, check supply, relay and switch"
    return Finding(
        NAME,
        FindingSeverity.WARNING,
        problem=f"stack {number}: {stack.power_mismatch}",
        reason=_EACH_STACK,
        fix=fix,
    )


def _moved_pins(state: RackState) -> list[Finding]:
    return [
        Finding(
            NAME,
            FindingSeverity.WARNING,
            problem=f"stack {stack.stack.number}: {stack.power_mismatch}",
            reason=_EACH_STACK,
            fix=f"`pirack power on {stack.stack.number}` or `pirack power off"
            f" {stack.stack.number}`, as you need it",
        )
        for stack in state.stacks
        if stack.outlet_differs and _has_relays(stack) and not stack.reserved_by
    ]


def _has_relays(stack: StackState) -> bool:
    return all(outlet.source == GPIO for outlet in stack.stack.outlets)


def _names(stacks: Sequence[StackState]) -> str:
    numbers = ", ".join(str(stack.stack.number) for stack in stacks)
    return f"stack {numbers} was" if len(stacks) == 1 else f"stacks {numbers} were"
