"""Deciding the rack's state from what Prometheus, the inventory and the relays say.

Nothing in this module asks anybody anything: see `controller.state.reader` for that.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from controller.state.model import (
    MAX_SAMPLE_AGE_SECONDS,
    PowerState,
    RackState,
    RaspState,
    RaspStatus,
    StackState,
    TemperatureLevel,
)
from controller.state.observed_power import observed_power, power_mismatch
from controller.state.prometheus import Sample
from rack.commanded_power import CommandedPower
from rack.inventory import Rasp
from rack.layout import Rack, Slot, Stack

STATE_SERIES = "rack_stack_slot:pirack_rasp_state:max"
"""The recording rule that tells a rasp's state; its values are those of `_STATE_BY_RULE_VALUE`."""

_TEMPERATURE_SERIES = "pirack_cpu_temperature_celsius"
_LOAD_SERIES = "pirack_cpu_load1"
_MEMORY_AVAILABLE_SERIES = "pirack_memory_available_bytes"
_MEMORY_TOTAL_SERIES = "pirack_memory_total_bytes"
_CONDITION_SERIES = "pirack_power_condition"
_BOOT_SERIES = "pirack_boot_time_seconds"
_PING_SERIES = "probe_success"

# What Prometheus works out for us has no name of its own: it comes under this label.
_COMPUTED = "computed"
_CPU_BUSY_CORES, _PINGED_AT = "cpu_busy_cores", "pinged_at"

_STATE_BY_RULE_VALUE: Mapping[float, tuple[RaspStatus, TemperatureLevel | None]] = {
    0: (RaspStatus.DOWN, None),
    1: (RaspStatus.UP, TemperatureLevel.NORMAL),
    2: (RaspStatus.UP, TemperatureLevel.WARM),
    3: (RaspStatus.UP, TemperatureLevel.HOT),
    4: (RaspStatus.OFF, None),
}


def state_label(value: float) -> str:
    """Return the word for a number of the state rule: a state, or how warm a rasp that is up is."""
    state, warmth = _STATE_BY_RULE_VALUE.get(value, (RaspStatus.UNKNOWN, None))
    return warmth if warmth in {TemperatureLevel.WARM, TemperatureLevel.HOT} else state


def state_query(rack: Rack) -> str:
    """Return the one PromQL expression that fetches all that `build_rack_state` wants to know of a rack."""
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
        _CPU_BUSY_CORES: f"rate(pirack_cpu_busy_seconds_total{{{here}}}[30s])",
        _PINGED_AT: f"timestamp({_PING_SERIES}{{{here}}})",
    }
    return " or ".join(
        [
            f'last_over_time({{__name__=~"{names}", {here}}}[{MAX_SAMPLE_AGE_SECONDS}s])',
            *(
                f'label_replace({wanted}, "{_COMPUTED}", "{name}", "", "")'
                for name, wanted in computed.items()
            ),
        ]
    )


@dataclass(slots=True)
class _SlotSamples:
    """What the samples say of one place."""

    values: dict[str, float] = field(default_factory=dict)
    conditions: dict[str, set[str]] | None = None

    def add(self, sample: Sample) -> None:
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


def build_rack_state(
    rack: Rack,
    rasps: Mapping[tuple[int, int], Rasp],
    samples: Iterable[Sample],
    error: str = "",
    *,
    commanded: Mapping[int, CommandedPower] | None = None,
    reserved_by: Mapping[int, str] | None = None,
    now: float = 0.0,
) -> RackState:
    """Return the state of a rack.

    Args:
        rack: its layout.
        rasps: its inventory, by (stack, slot).
        samples: Prometheus' answer to `state_query`; empty where it gave none.
        error: why it gave none.
        commanded: what each stack was last commanded to have, by its number; a stack that is not
            in it is one whose power nobody knows.
        reserved_by: who has a stack just now, by its number.
        now: seconds since the epoch.
    """
    readings: defaultdict[tuple[str, str], _SlotSamples] = defaultdict(_SlotSamples)
    for sample in samples:
        readings[sample.labels.get("stack", ""), sample.labels.get("slot", "")].add(sample)

    def decide_stack(stack: Stack) -> StackState:
        order = (commanded or {}).get(stack.number)
        power = _power_state(order)
        of_rasps = tuple(
            _build_rasp_state(
                slot,
                rasps.get((slot.stack, slot.number)),
                readings[stack.name, str(slot.number)],
                power,
                error,
            )
            for slot in stack.slots
        )
        return StackState(
            stack,
            power,
            of_rasps,
            observed=observed_power(of_rasps),
            power_mismatch=power_mismatch(order, of_rasps, now, rack.orders.boot_seconds),
            reserved_by=(reserved_by or {}).get(stack.number, ""),
        )

    return RackState(rack, tuple(map(decide_stack, rack.stacks)), error)


def _power_state(commanded: CommandedPower | None) -> PowerState:
    if commanded is None:
        return PowerState.UNKNOWN
    return PowerState.ON if commanded.is_on else PowerState.OFF


def _build_rasp_state(
    slot: Slot, rasp: Rasp | None, samples: _SlotSamples, power: PowerState, error: str
) -> RaspState:
    if rasp is None:
        return RaspState(
            slot, None, RaspStatus.UNKNOWN, "not installed: no Pi is known in this slot"
        )
    values = samples.values
    state, warmth = _STATE_BY_RULE_VALUE.get(
        values.get(STATE_SERIES, -1), (RaspStatus.UNKNOWN, None)
    )
    ping = values.get(_PING_SERIES)
    if state is RaspStatus.DOWN and power is PowerState.OFF and ping != 1:
        state = RaspStatus.OFF  # the relay is known here before Prometheus has heard of it
    # The last readings of a rasp that has gone are its past, not its state.
    now = samples if state is RaspStatus.UP else _SlotSamples()
    return RaspState(
        slot,
        rasp,
        state,
        _reason(state, ping, error),
        warmth,
        temperature_celsius=now.values.get(_TEMPERATURE_SERIES),
        load1=now.values.get(_LOAD_SERIES),
        cpu_busy_cores=now.values.get(_CPU_BUSY_CORES),
        memory_available_bytes=now.values.get(_MEMORY_AVAILABLE_SERIES),
        memory_total_bytes=now.values.get(_MEMORY_TOTAL_SERIES),
        conditions=now.conditions_of("now"),
        conditions_since_boot=now.conditions_of("boot"),
        boot_time_seconds=now.values.get(_BOOT_SERIES),
        answers_ping=None if ping is None else bool(ping),
        pinged_at=values.get(_PINGED_AT),
    )


def _reason(state: RaspStatus, ping: float | None, error: str) -> str:
    match state:
        case RaspStatus.UNKNOWN:
            return error or "Prometheus has no recent reading of it"
        case RaspStatus.OFF:
            return "its stack is switched off"
        case RaspStatus.DOWN if ping == 1:
            return "it answers ping, but its exporter does not"
        case RaspStatus.DOWN if ping == 0:
            return "neither it nor its exporter answers"
        case RaspStatus.DOWN:
            return "its exporter does not answer"
        case _:
            return ""
