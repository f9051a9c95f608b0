"""Deciding the rack's state from what Prometheus, the inventory and the relays say.

Nothing in this module asks anybody anything: see `controller.watch` for that.
"""

from collections.abc import Iterable, Mapping

from controller.observed_power import disagreement, observe
from controller.prometheus import Sample
from controller.state import (
    NOT_OLDER_THAN_SECONDS,
    Power,
    RackState,
    RaspState,
    StackState,
    State,
    Warmth,
)
from rack.commanded import CommandedPower
from rack.inventory import Rasp
from rack.layout import Rack, Slot, Stack

STATE_SERIES = "rack_stack_slot:pirack_rasp_state:max"
"""The recording rule that tells a rasp's state; its values are those of `_RULE`."""

_TEMPERATURE_SERIES = "pirack_cpu_temperature_celsius"
_LOAD_SERIES = "pirack_cpu_load1"
_BOOT_SERIES = "pirack_boot_time_seconds"
_PING_SERIES = "probe_success"

_RULE: Mapping[float, tuple[State, Warmth | None]] = {
    0: (State.DOWN, None),
    1: (State.UP, Warmth.NORMAL),
    2: (State.UP, Warmth.WARM),
    3: (State.UP, Warmth.HOT),
    4: (State.OFF, None),
}


def expression(rack: Rack) -> str:
    """Return the one PromQL expression that fetches all that `decide` wants to know of a rack."""
    names = "|".join([STATE_SERIES, _TEMPERATURE_SERIES, _LOAD_SERIES, _BOOT_SERIES, _PING_SERIES])
    return f'last_over_time({{__name__=~"{names}", rack="{rack.name}"}}[{NOT_OLDER_THAN_SECONDS}s])'


def decide(
    rack: Rack,
    rasps: Mapping[tuple[int, int], Rasp],
    samples: Iterable[Sample],
    trouble: str = "",
    *,
    commanded: Mapping[int, CommandedPower] | None = None,
    busy: Mapping[int, str] | None = None,
    now: float = 0.0,
) -> RackState:
    """Return the state of a rack.

    Args:
        rack: its layout.
        rasps: its inventory, by (stack, slot).
        samples: Prometheus' answer to `expression`; empty where it gave none.
        trouble: why it gave none.
        commanded: what each stack was last commanded to have, by its number; a stack that is not
            in it is one whose power nobody knows.
        busy: who has a stack just now, by its number.
        now: seconds since the epoch.
    """
    readings: dict[tuple[str, str], dict[str, float]] = {}
    for sample in samples:
        place = (sample.labels.get("stack", ""), sample.labels.get("slot", ""))
        readings.setdefault(place, {})[sample.name] = sample.value

    def decide_stack(stack: Stack) -> StackState:
        order = (commanded or {}).get(stack.number)
        power = _power(order)
        of_rasps = tuple(
            _decide_rasp(
                slot,
                rasps.get((slot.stack, slot.number)),
                readings.get((stack.name, str(slot.number)), {}),
                power,
                trouble,
            )
            for slot in stack.slots
        )
        return StackState(
            stack,
            power,
            of_rasps,
            observed=observe(of_rasps),
            disagreement=disagreement(order, of_rasps, now, rack.orders.boot_seconds),
            busy=(busy or {}).get(stack.number, ""),
        )

    return RackState(rack, tuple(map(decide_stack, rack.stacks)), trouble)


def _power(commanded: CommandedPower | None) -> Power:
    if commanded is None:
        return Power.UNKNOWN
    return Power.ON if commanded.is_on else Power.OFF


def _decide_rasp(
    slot: Slot, rasp: Rasp | None, readings: Mapping[str, float], power: Power, trouble: str
) -> RaspState:
    if rasp is None:
        return RaspState(slot, None, State.UNKNOWN, "not installed: no Pi is known in this slot")
    state, warmth = _RULE.get(readings.get(STATE_SERIES, -1), (State.UNKNOWN, None))
    ping = readings.get(_PING_SERIES)
    if state is State.DOWN and power is Power.OFF and ping != 1:
        state = State.OFF  # the relay is known here before Prometheus has heard of it
    # The last readings of a rasp that has gone are its past, not its state.
    now = readings if state is State.UP else {}
    return RaspState(
        slot,
        rasp,
        state,
        _why(state, ping, trouble),
        warmth,
        temperature_celsius=now.get(_TEMPERATURE_SERIES),
        load1=now.get(_LOAD_SERIES),
        boot_time_seconds=now.get(_BOOT_SERIES),
        answers_ping=None if ping is None else bool(ping),
    )


def _why(state: State, ping: float | None, trouble: str) -> str:
    match state:
        case State.UNKNOWN:
            return trouble or "Prometheus has no recent reading of it"
        case State.OFF:
            return "its stack is switched off"
        case State.DOWN if ping == 1:
            return "it answers ping, but its exporter does not"
        case State.DOWN if ping == 0:
            return "neither it nor its exporter answers"
        case State.DOWN:
            return "its exporter does not answer"
        case _:
            return ""
