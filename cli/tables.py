"""The controller's answers as tables for people. What nobody has read or found is a dash."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from cli.text import printable

_WITHOUT_WRAPPING = 10_000

_STYLES = {
    "up": "green",
    "on": "green",
    "normal": "green",
    "warm": "yellow",
    "hot": "bold red",
    "down": "bold red",
    "unknown": "yellow",
    "off": "dim",
}

Answer = Mapping[str, Any]


def console() -> Console:
    """Return what tables are printed on: as wide as the terminal, or, in a pipe, as the table.

    Colours are for terminals alone, and for none where `NO_COLOR` is set.
    """
    plain = Console(highlight=False, markup=False, emoji=False)
    if not plain.is_terminal:
        plain.width = _WITHOUT_WRAPPING
    return plain


def status(rack: Answer) -> RenderableType:
    """Return the rack at a glance, and what needs care."""
    parts: list[RenderableType] = [_summary(rack)]
    if rack["trouble"]:
        parts.append(_text(rack["trouble"], "yellow"))
    if rack["care"]:
        table = _table()
        for each in rack["care"]:
            names = " ".join(map(str, each["rasps"]))
            table.add_row(_state(each["wrong"]), _text(names), _text(each["why"]))
        parts.append(table)
    else:
        parts.append(Text("Nothing needs care."))
    return Group(*parts)


def rasps(answers: Iterable[Answer], now: float) -> RenderableType:
    """Return a row for each rasp; `now` is in seconds since the epoch."""
    table = _table("RASP", "STATE", "TEMP", "LOAD", "UP FOR", "IP", "WHY")
    for each in answers:
        table.add_row(
            _text(each["name"]),
            _state(_condition(each)),
            _text(_celsius(each["temperature_celsius"])),
            _text(_load(each["load1"])),
            _text(_up_for(each["boot_time_seconds"], now)),
            _text(each["ip"]),
            _text(each["why"]),
        )
    return table


def rasp(each: Answer, now: float) -> RenderableType:
    """Return all that is known of a rasp."""
    ping = {True: "answers", False: "no answer"}.get(each["answers_ping"])
    return _fields(
        {
            "rasp": _text(each["name"]),
            "id": _text(each["id"]),
            "state": _state(_condition(each)),
            "why": _text(each["why"] or None),
            "temperature": _text(_celsius(each["temperature_celsius"])),
            "load": _text(_load(each["load1"])),
            "up for": _text(_up_for(each["boot_time_seconds"], now)),
            "ping": _text(ping),
            "host name": _text(each["host_name"]),
            "ip": _text(each["ip"]),
            "mac": _text(each["mac"]),
        }
    )


def stacks(answers: Iterable[Answer]) -> RenderableType:
    """Return a row for each stack."""
    table = _table("STACK", "POWER", "PIN", "PLACE", "RASPS")
    for each in answers:
        states = [_condition(rasp) for rasp in each["rasps"]]
        table.add_row(
            _text(each["number"]),
            _state(each["power"]),
            _text(each["pin"]),
            _text(f"{each['x']},{each['y']}"),
            _counts({state: states.count(state) for state in sorted(set(states))}),
        )
    return table


def master(answer: Answer, now: float) -> RenderableType:
    """Return how the master and its services are."""
    fields = _fields(
        {
            "master": _text(answer["host_name"]),
            "pirack": _text(answer["version"]),
            "up for": _text(_up_for(answer["boot_time_seconds"], now)),
            "load": _text(_load(answer["load1"])),
            "temperature": _text(_celsius(answer["temperature_celsius"])),
            "memory": _text(_space(answer["memory_available_bytes"], answer["memory_total_bytes"])),
            "disk": _text(_space(answer["disk_available_bytes"], answer["disk_size_bytes"])),
            **{
                printable(str(each["name"])): _text(f"{each['ip']} {each['mac'] or ''}".rstrip())
                for each in answer["interfaces"]
            },
        }
    )
    services = _table("SERVICE", "STATE", "VERSION", "URL", "WHY")
    for each in answer["services"]:
        services.add_row(
            _text(each["name"]),
            _state(each["state"]),
            _text(each["version"]),
            _text(each["url"]),
            _text(each["why"]),
        )
    return Group(fields, Text(), services)


def apart(parts: Iterable[RenderableType]) -> RenderableType:
    """Return parts with an empty line between them."""
    lines = [line for part in parts for line in (Text(), part)]
    return Group(*lines[1:])


def _table(*heads: str) -> Table:
    table = Table(box=None, pad_edge=False, show_header=bool(heads), header_style="bold")
    for head in heads:
        # What tells a rasp from another stays whole; what explains may be wrapped.
        table.add_column(head, no_wrap=head not in {"WHY", "RASPS"})
    return table


def _fields(fields: Mapping[str, Text]) -> Table:
    table = _table()
    for name, value in fields.items():
        table.add_row(Text(name, "bold"), value)
    return table


def _summary(rack: Answer) -> Text:
    hottest = rack["hottest"]
    line = Text.assemble(
        (printable(str(rack["name"])), "bold"),
        f": {int(rack['stacks'])} stacks, {int(rack['rasps'])} rasps: ",
        _counts(rack["states"]),
    )
    if hottest:
        line.append(f"; hottest {_text(hottest['name'])}, ")
        line.append(_celsius(hottest["temperature_celsius"]) or "-")
    return line


def _counts(counts: Mapping[str, int]) -> Text:
    parts: Sequence[Text] = [
        _state(state, f"{int(count)} {state}") for state, count in counts.items() if count
    ]
    return Text(", ").join(parts)


def _condition(each: Answer) -> str:
    """Return the one word that tells most of a rasp: its warmth while it is up, else its state."""
    warmth = each["warmth"]
    return str(warmth if each["state"] == "up" and warmth in {"warm", "hot"} else each["state"])


def _state(state: str, words: str | None = None) -> Text:
    return _text(words or state, _STYLES.get(state, ""))


def _text(value: object, style: str = "") -> Text:
    """Return a value as text, a dash for what nobody knows."""
    return Text("-" if value is None else printable(str(value)), style)


def _celsius(degrees: float | None) -> str | None:
    return None if degrees is None else f"{degrees:.0f} °C"


def _load(load: float | None) -> str | None:
    return None if load is None else f"{load:.2f}"


def _space(available: int, whole: int) -> str:
    return f"{available / 2**30:.1f} of {whole / 2**30:.1f} GiB free"


def _up_for(boot: float | None, now: float) -> str | None:
    if boot is None:
        return None
    minutes = int(max(now - boot, 0) // 60)
    days, hours = divmod(minutes // 60, 24)
    return f"{days}d {hours}h" if days else f"{hours}h {minutes % 60}m"
