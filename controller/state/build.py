"""Build the rack's state from Prometheus samples, the inventory and commanded power."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from controller.state.model import (
    MAX_SAMPLE_AGE_SECONDS,
    OutletState,
    RackState,
    RaspOperation,
    RaspState,
    RaspStatus,
    StackState,
    TemperatureLevel,
)
from controller.state.operation import current_operation, power_age
from controller.state.outlets import build_outlet_state, build_stack_state
from controller.state.prometheus import Sample
from controller.state.quarantine import quarantine_selector
from rack.inventory import Rasp
from rack.layout import Outlet, Rack, Slot, Stack
from rack.power.commanded_power import CommandedPower
from rack.power.state import OutletReading

STATE_SERIES = "rack_stack_slot:pirack_rasp_state:max"
"""Recording rule of a rasp's state. `_STATE_BY_RULE_VALUE` lists its values."""

_TEMPERATURE_SERIES = "pirack_cpu_temperature_celsius"
_LOAD_SERIES = "pirack_cpu_load1"
_MEMORY_AVAILABLE_SERIES = "pirack_memory_available_bytes"
_MEMORY_TOTAL_SERIES = "pirack_memory_total_bytes"
_CONDITION_SERIES = "pirack_power_condition"
_REMEMBERED_CONDITION_SERIES = (
    "rack_stack_slot_condition:pirack_power_condition_read_timestamp_seconds:max"
)
_BOOT_SERIES = "pirack_boot_time_seconds"
_UPTIME_SERIES = "pirack_uptime_seconds"
_CLOCK_OFFSET_SERIES = "rack_stack_slot:pirack_clock_offset_seconds:max"
_LAST_SEEN_SERIES = "rack_stack_slot:pirack_last_scrape_timestamp_seconds:max"
_LAST_TEMPERATURE_SERIES = "rack_stack_slot:pirack_last_cpu_temperature_celsius:max"
_CLOCK_OFFSET_THRESHOLD = "pirack:threshold:clock_offset_seconds"
_PING_SERIES = "probe_success"
_QUARANTINE_SERIES = "ALERTS"
_QUARANTINED = "quarantined: the rasp exported too many or changing series"

# Computed samples have no metric name. This label identifies them. Rasps can export the same label,
# but their samples have a name.
_COMPUTED = "computed"
_CPU_BUSY_CORES, _PINGED_AT, _IS_CLOCK_OFF = "cpu_busy_cores", "pinged_at", "is_clock_off"
_LAST_SEEN, _LAST_TEMPERATURE, _UNSEEN_SECONDS = "last_seen", "last_temperature", "unseen_seconds"

_STATE_BY_RULE_VALUE: Mapping[float, tuple[RaspStatus, TemperatureLevel | None]] = {
    0: (RaspStatus.DOWN, None),
    1: (RaspStatus.UP, TemperatureLevel.NORMAL),
    2: (RaspStatus.UP, TemperatureLevel.WARM),
    3: (RaspStatus.UP, TemperatureLevel.HOT),
    4: (RaspStatus.OFF, None),
}


def state_label(value: float) -> str:
    """Return the label of a value of the state rule: a state, `warm` or `hot`."""
    state, level = _STATE_BY_RULE_VALUE.get(value, (RaspStatus.UNKNOWN, None))
    return level if level in {TemperatureLevel.WARM, TemperatureLevel.HOT} else state


def state_query(rack: Rack) -> str:
    """Return the PromQL expression for all samples that `build_rack_state` needs."""
    rasp_names = "|".join(
        [
            _TEMPERATURE_SERIES,
            _LOAD_SERIES,
            _MEMORY_AVAILABLE_SERIES,
            _MEMORY_TOTAL_SERIES,
            _CONDITION_SERIES,
            _BOOT_SERIES,
            _UPTIME_SERIES,
        ]
    )
    matcher = f'rack="{rack.name}"'
    of_rasps = f'job="rasp", {matcher}'
    ping = f'{_PING_SERIES}{{job="ping", {matcher}}}'
    clock_offset = f"{_CLOCK_OFFSET_SERIES}{{{matcher}}}"
    # `or` drops a series if a previous selector returns the same labels with another name.
    recorded_names = f"{STATE_SERIES}|{_CLOCK_OFFSET_SERIES}|{_REMEMBERED_CONDITION_SERIES}"
    scraped = [
        f'{{__name__=~"{recorded_names}", {matcher}}}',
        f'{{__name__=~"{rasp_names}", {of_rasps}}}',
        ping,
        quarantine_selector(rack.name),
    ]
    # The comparison drops the NaN of a scrape without a temperature.
    last_temperature = f"{_LAST_TEMPERATURE_SERIES}{{{matcher}}} > -273"
    not_responding = f"unless on (stack, slot) up{{{of_rasps}}} == 1"
    computed = {
        _LAST_SEEN: f"{_LAST_SEEN_SERIES}{{{matcher}}} {not_responding}",
        _UNSEEN_SECONDS: f"(time() - {_LAST_SEEN_SERIES}{{{matcher}}}) {not_responding}",
        _LAST_TEMPERATURE: f"{last_temperature} {not_responding}",
        _CPU_BUSY_CORES: f"rate(pirack_cpu_busy_seconds_total{{{of_rasps}}}[30s])",
        _PINGED_AT: f"timestamp({ping})",
        _IS_CLOCK_OFF: (
            f"abs({clock_offset}) > bool on () group_left () {_CLOCK_OFFSET_THRESHOLD}"
        ),
    }
    return " or ".join(
        [
            *(f"last_over_time({selector}[{MAX_SAMPLE_AGE_SECONDS}s])" for selector in scraped),
            *(
                f'label_replace({expression}, "{_COMPUTED}", "{name}", "", "")'
                for name, expression in computed.items()
            ),
        ]
    )


@dataclass(slots=True)
class _SlotSamples:
    """Samples of one slot. `remembered_conditions` are those of earlier scrapes since the boot."""

    values: dict[str, float] = field(default_factory=dict)
    conditions: dict[str, set[str]] | None = None
    remembered_conditions: set[str] = field(default_factory=set)

    def add(self, sample: Sample) -> None:
        if sample.name == _REMEMBERED_CONDITION_SERIES:
            self.remembered_conditions.add(sample.labels.get("condition", ""))
            return
        if sample.name != _CONDITION_SERIES:
            self.values[sample.name or sample.labels.get(_COMPUTED, "")] = sample.value
            return
        if self.conditions is None:
            self.conditions = {"now": set(), "boot": set()}
        active = self.conditions.get(sample.labels.get("since", ""))
        if active is not None and sample.value:
            active.add(sample.labels.get("condition", ""))

    @property
    def conditions_now(self) -> frozenset[str] | None:
        return None if self.conditions is None else frozenset(self.conditions["now"])

    @property
    def conditions_since_boot(self) -> frozenset[str] | None:
        if self.conditions is None:
            return None
        return frozenset(self.conditions["boot"] | self.remembered_conditions)


def build_rack_state(  # noqa: PLR0913 - the sources of the state
    rack: Rack,
    rasps: Mapping[tuple[int, int], Rasp | None],
    samples: Iterable[Sample],
    error: str = "",
    *,
    commanded: Mapping[Outlet, CommandedPower] | None = None,
    readings: Mapping[Outlet, OutletReading] | None = None,
    energy: Mapping[Outlet, float] | None = None,
    reserved_by: Mapping[int, str] | None = None,
    operations: Mapping[int, RaspOperation] | None = None,
    now: float = 0.0,
) -> RackState:
    """Return the state of a rack.

    Args:
        rack: Layout of the rack.
        rasps: Inventory, keyed by (stack, slot). None: a rasp is installed, but which is unknown.
        samples: Result of `state_query`. Empty if the query failed.
        error: Error of the query.
        commanded: Commanded power. The power of other outlets is unknown.
        readings: Readings of the outlets that were read.
        energy: Measured energy of outlets in joules.
        reserved_by: Holders of reservations, keyed by stack number.
        operations: What orders and installs are doing with rasps, keyed by id.
        now: Current time in seconds since the boot of the master.
    """
    commanded, readings, energy = commanded or {}, readings or {}, energy or {}
    samples_by_slot: defaultdict[tuple[str, str], _SlotSamples] = defaultdict(_SlotSamples)
    for sample in samples:
        samples_by_slot[sample.labels.get("stack", ""), sample.labels.get("slot", "")].add(sample)

    def build_rasp_state(stack: Stack, slot: Slot, outlet: OutletState) -> RaspState:
        operation = (operations or {}).get(slot.id)
        place = slot.stack, slot.number
        if place not in rasps:
            return _empty_slot(slot, outlet, operation)
        return _build_rasp_state(
            slot,
            rasps[place],
            samples_by_slot[stack.name, str(slot.number)],
            outlet,
            commanded.get(outlet.outlet),
            error,
            operation,
            power_age(
                outlet,
                commanded.get(outlet.outlet),
                now=now,
                boot_seconds=rack.orders.boot_seconds,
            ),
        )

    def build_stack(stack: Stack) -> StackState:
        outlets = {
            outlet: build_outlet_state(
                outlet, commanded.get(outlet), readings.get(outlet), energy.get(outlet)
            )
            for outlet in stack.outlets
        }
        rasp_states = [
            build_rasp_state(stack, slot, outlets[stack.outlet_of(slot)]) for slot in stack.slots
        ]
        return build_stack_state(
            stack,
            outlets.values(),
            rasp_states,
            commanded,
            now=now,
            boot_seconds=rack.orders.boot_seconds,
            reserved_by=(reserved_by or {}).get(stack.number, ""),
        )

    return RackState(rack, tuple(map(build_stack, rack.stacks)), error)


def _empty_slot(slot: Slot, outlet: OutletState, operation: RaspOperation | None) -> RaspState:
    reason = "not installed: no Pi is known in this slot"
    return RaspState(
        slot, None, RaspStatus.UNKNOWN, reason, operation, power=outlet.power, is_installed=False
    )


def _build_rasp_state(
    slot: Slot,
    rasp: Rasp | None,
    samples: _SlotSamples,
    outlet: OutletState,
    commanded: CommandedPower | None,
    error: str,
    operation: RaspOperation | None,
    seconds_since_power_on: float | None,
) -> RaspState:
    values = samples.values
    state, level = _STATE_BY_RULE_VALUE.get(
        values.get(STATE_SERIES, -1), (RaspStatus.UNKNOWN, None)
    )
    ping = values.get(_PING_SERIES)
    if outlet.error and state is RaspStatus.OFF:
        state = RaspStatus.DOWN  # it does not respond, and its power is unknown
    elif commanded is not None and not commanded.is_on and not outlet.error:
        # Prometheus receives the commanded power later, and does not receive the outlet's state.
        if commanded.has_power and state is RaspStatus.OFF:
            state = RaspStatus.DOWN
        elif not commanded.has_power and state is RaspStatus.DOWN and ping != 1:
            state = RaspStatus.OFF
    # The last samples of a rasp that is not up are outdated.
    current = samples if state is RaspStatus.UP else _SlotSamples()
    last = {} if state is RaspStatus.UP else values
    is_clock_off = current.values.get(_IS_CLOCK_OFF)
    return RaspState(
        slot,
        rasp,
        state,
        _reason(state, ping, error, outlet, is_quarantined=_QUARANTINE_SERIES in values),
        current_operation(operation, state, seconds_since_power_on, values.get(_UNSEEN_SECONDS)),
        last_seen_at=last.get(_LAST_SEEN_SERIES),
        last_temperature_celsius=last.get(_LAST_TEMPERATURE_SERIES),
        temperature_level=level,
        temperature_celsius=current.values.get(_TEMPERATURE_SERIES),
        load1=current.values.get(_LOAD_SERIES),
        cpu_busy_cores=current.values.get(_CPU_BUSY_CORES),
        memory_available_bytes=current.values.get(_MEMORY_AVAILABLE_SERIES),
        memory_total_bytes=current.values.get(_MEMORY_TOTAL_SERIES),
        conditions=current.conditions_now,
        conditions_since_boot=current.conditions_since_boot,
        boot_time_seconds=current.values.get(_BOOT_SERIES),
        uptime_seconds=current.values.get(_UPTIME_SERIES),
        clock_offset_seconds=current.values.get(_CLOCK_OFFSET_SERIES),
        is_clock_off=None if is_clock_off is None else bool(is_clock_off),
        answers_ping=None if ping is None else bool(ping),
        pinged_at=values.get(_PINGED_AT),
        power=outlet.power,
    )


def _reason(
    state: RaspStatus,
    ping: float | None,
    error: str,
    outlet: OutletState,
    *,
    is_quarantined: bool,
) -> str:
    match state:
        case RaspStatus.UNKNOWN:
            return error or (_QUARANTINED if is_quarantined else "Prometheus has no recent sample")
        case RaspStatus.OFF:
            return f"its {'stack' if outlet.outlet.slot is None else 'outlet'} is switched off"
        case RaspStatus.DOWN if ping == 1:
            return "the rasp answers ping, but its exporter does not"
        case RaspStatus.DOWN if ping == 0:
            return "neither the rasp nor its exporter answers"
        case RaspStatus.DOWN:
            return "its exporter does not answer"
        case _:
            return ""
