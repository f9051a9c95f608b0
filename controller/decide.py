"""Deciding the rack's state from what Prometheus, the inventory and the relays say.

Nothing in this module asks anybody anything: see `controller.watch` for that.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

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
_MEMORY_AVAILABLE_SERIES = "pirack_memory_available_bytes"
_MEMORY_TOTAL_SERIES = "pirack_memory_total_bytes"
_CONDITION_SERIES = "pirack_power_condition"
_BOOT_SERIES = "pirack_boot_time_seconds"
_PING_SERIES = "probe_success"

# What Prometheus works out for us has no name of its own: it comes under this label.
_COMPUTED = "computed"
_BUSY, _PINGED_AT = "cpu_busy_cores", "pinged_at"

_RULE: Mapping[float, tuple[State, Warmth | None]] = {
    0: (State.DOWN, None),
    1: (State.UP, Warmth.NORMAL),
    2: (State.UP, Warmth.WARM),
    3: (State.UP, Warmth.HOT),
    4: (State.OFF, None),
}


def word_of(number: float) -> str:
    """Return the word for a number of the state rule: a state, or how warm a rasp that is up is."""
    state, warmth = _RULE.get(number, (State.UNKNOWN, None))
    return warmth if warmth in {Warmth.WARM, Warmth.HOT} else state


def expression(rack: Rack) -> str:
    """Return the one PromQL expression that fetches all that `decide` wants to know of a rack."""
    names = "|".join(
        [
            STATE_SERIES,
            _TEMPERATURE_SERIES,
            _LOAD_SERIES,
            _MEMORY_AVAILABLE_SERIES,
            _MEMORY_TOTAL_SERIES,
            _CONDITION_SERIES,
            _BOOT_SERIES,
            _PING_SERIES,
        ]
    )
    here = f'rack="{rack.name}"'
    computed = {
        _BUSY: f"rate(pirack_cpu_busy_seconds_total{{{here}}}[30s])",
        _PINGED_AT: f"timestamp({_PING_SERIES}{{{here}}})",
    }
    return " or ".join(
        [
            f'last_over_time({{__name__=~"{names}", {here}}}[{NOT_OLDER_THAN_SECONDS}s])',
            *(
                f'label_replace({wanted}, "{_COMPUTED}", "{name}", "", "")'
                for name, wanted in computed.items()
            ),
        ]
    )


@dataclass(slots=True)
class _Readings:
    """What the samples say of one place."""

    values: dict[str, float] = field(default_factory=dict)
    conditions: dict[str, set[str]] | None = None

    def take(self, sample: Sample) -> None:
        if sample.name != _CONDITION_SERIES:
            self.values[sample.labels.get(_COMPUTED, sample.name)] = sample.value
            return
        if self.conditions is None:
            self.conditions = {"now": set(), "boot": set()}
        since = self.conditions.get(sample.labels.get("since", ""))
        if since is not None and sample.value:
            since.add(sample.labels.get("condition", ""))

    def conditions_of(self, since: str) -> frozenset[str] | None:
        return None if self.conditions is None else frozenset(self.conditions[since])


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
    readings: defaultdict[tuple[str, str], _Readings] = defaultdict(_Readings)
    for sample in samples:
        readings[sample.labels.get("stack", ""), sample.labels.get("slot", "")].take(sample)

    def decide_stack(stack: Stack) -> StackState:
        order = (commanded or {}).get(stack.number)
        power = _power(order)
        of_rasps = tuple(
            _decide_rasp(
                slot,
                rasps.get((slot.stack, slot.number)),
                readings[stack.name, str(slot.number)],
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
    slot: Slot, rasp: Rasp | None, readings: _Readings, power: Power, trouble: str
) -> RaspState:
    if rasp is None:
        return RaspState(slot, None, State.UNKNOWN, "not installed: no Pi is known in this slot")
    values = readings.values
    state, warmth = _RULE.get(values.get(STATE_SERIES, -1), (State.UNKNOWN, None))
    ping = values.get(_PING_SERIES)
    if state is State.DOWN and power is Power.OFF and ping != 1:
        state = State.OFF  # the relay is known here before Prometheus has heard of it
    # The last readings of a rasp that has gone are its past, not its state.
    now = readings if state is State.UP else _Readings()
    return RaspState(
        slot,
        rasp,
        state,
        _why(state, ping, trouble),
        warmth,
        temperature_celsius=now.values.get(_TEMPERATURE_SERIES),
        load1=now.values.get(_LOAD_SERIES),
        cpu_busy_cores=now.values.get(_BUSY),
        memory_available_bytes=now.values.get(_MEMORY_AVAILABLE_SERIES),
        memory_total_bytes=now.values.get(_MEMORY_TOTAL_SERIES),
        conditions=now.conditions_of("now"),
        conditions_since_boot=now.conditions_of("boot"),
        boot_time_seconds=now.values.get(_BOOT_SERIES),
        answers_ping=None if ping is None else bool(ping),
        pinged_at=values.get(_PINGED_AT),
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
