"""Two runs side by side: what differed in their plans, environments, times and results."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from cli.experiments.models import ApiPlannedFault, ApiRunEvent
from cli.experiments.record_reader import Record
from rack.names import stack_name

_UNKNOWN = "-"
_FAULTS_STATE = "faults"
_ON = " on"
_OFF = " off"


@dataclass(frozen=True)
class Difference:
    """A value of two runs.

    Attributes:
        section: `result`, `plan`, `environment`, `times` or `energy`.
        name: Name of the value.
        first: The value in the first run, `-` if it has none.
        second: The value in the second run.
        change: Second value minus the first one, for numbers.
    """

    section: str
    name: str
    first: str
    second: str
    change: str = ""

    @property
    def differs(self) -> bool:
        """Whether the values differ."""
        return self.first != self.second


def compare(first: Record, second: Record) -> list[Difference]:
    """Return the values of two runs, equal ones included, in seconds and joules."""
    return [
        *_texts("result", _result(first), _result(second)),
        *_numbers("result", _counts(first), _counts(second)),
        *_texts("plan", _plan(first), _plan(second)),
        *_texts("environment", _environment(first), _environment(second)),
        *_numbers("times", _times(first), _times(second)),
        *_numbers("energy", _energy(first), _energy(second)),
    ]


def _texts(
    section: str, first: Mapping[str, str], second: Mapping[str, str]
) -> Iterator[Difference]:
    for name in dict.fromkeys([*first, *second]):
        yield Difference(section, name, first.get(name, _UNKNOWN), second.get(name, _UNKNOWN))


def _numbers(
    section: str, first: Mapping[str, float], second: Mapping[str, float]
) -> Iterator[Difference]:
    for name in dict.fromkeys([*first, *second]):
        a, b = first.get(name), second.get(name)
        yield Difference(section, name, _number(a), _number(b), _change(a, b))


def _number(value: float | None, sign: str = "") -> str:
    if value is None:
        return _UNKNOWN
    return f"{value:{sign},}" if isinstance(value, int) else f"{value:{sign},.3f}"


def _change(first: float | None, second: float | None) -> str:
    if first is None or second is None or _number(first) == _number(second):
        return ""
    return _number(second - first, "+")


def _result(record: Record) -> dict[str, str]:
    run = record.run
    return {"state": run.state, "result": run.result, "summary": run.summary}


def _counts(record: Record) -> dict[str, float]:
    return {
        name.replace("_", " "): value
        for name, value in record.statistics.items()
        if isinstance(value, int | float)
    }


def _plan(record: Record) -> dict[str, str]:
    run = record.run
    values = {
        "name": run.name,
        "seed": str(run.seed),
        "hash": run.plan_hash,
        "nodes": " ".join(run.plan.nodes),
        "check": run.plan.check.kind,
    }
    return values | {f"fault {fault.number}": _fault(fault) for fault in run.plan.faults}


def _fault(fault: ApiPlannedFault) -> str:
    off = "" if fault.seconds_off is None else f", off {fault.seconds_off:.3f} s"
    nodes = " ".join(fault.rasps) or fault.place
    return f"{fault.action or fault.kind} {nodes} at {fault.at:.3f} s{off}"


def _environment(record: Record) -> dict[str, str]:
    run = record.run
    return {"layout": run.layout_hash} | dict(sorted(run.versions.items()))


def _times(record: Record) -> dict[str, float]:
    """Return when things happened, in seconds since the start of the faults."""
    start = next(
        (event.monotonic for event in _states(record) if event.text == _FAULTS_STATE), None
    )
    if start is None:
        return {}
    times = {f"state {event.text}": event.monotonic - start for event in _states(record)}
    for event in record.events:
        name = _name(event)
        if name and name not in times:
            at = event.monotonic if event.after is None else event.after
            times[name] = at - start
    return times | _seconds_off(times)


def _energy(record: Record) -> dict[str, float]:
    """Return the energy of the run and of its outlets, as far as it was measured."""
    energy = record.run.energy
    if energy is None:
        return {}
    total = energy.joules if energy.is_complete else None
    values = {"run": total} | {each.place: each.joules for each in energy.outlets}
    return {name: joules for name, joules in values.items() if joules is not None}


def _states(record: Record) -> Iterator[ApiRunEvent]:
    return (event for event in record.events if event.kind == "state")


def _name(event: ApiRunEvent) -> str:
    """Return the name of a time, or an empty text for an event that is not compared."""
    fault = "" if event.fault is None else f"fault {event.fault}, "
    match event.kind:
        case "edge":
            return f"{fault}{event.rasp or _stack(event)}{_ON if event.is_on else _OFF}"
        case "silence" | "answer":
            return f"{fault}{event.kind} of {event.rasp or _stack(event)}"
        case "abort":
            return "abort"
    return ""


def _stack(event: ApiRunEvent) -> str:
    return f"stack {_UNKNOWN if event.stack is None else stack_name(event.stack)}"


def _seconds_off(times: Mapping[str, float]) -> dict[str, float]:
    """Return how long each stack or rasp was without power in each fault."""
    places = [name.removesuffix(_OFF) for name in times if name.endswith(_OFF)]
    return {
        f"{place} without power": times[place + _ON] - times[place + _OFF]
        for place in places
        if place + _ON in times
    }
