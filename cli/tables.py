"""The controller's answers as tables for people. What nobody has read or found is a dash."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import click
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
    "ok": "green",
    "failed": "bold red",
}

Answer = Mapping[str, Any]


def console(*, stderr: bool = False) -> Console:
    """Return what tables are printed on: as wide as the terminal, or, in a pipe, as the table.

    Colours are for terminals alone, and for none where `NO_COLOR` is set.
    """
    plain = Console(highlight=False, markup=False, emoji=False, stderr=stderr)
    if not plain.is_terminal:
        plain.width = _WITHOUT_WRAPPING
    return plain


def show(table: RenderableType) -> None:
    """Print a table; in a pipe, without the spaces that fill its last column up."""
    printed = console()
    if printed.is_terminal:
        printed.print(table)
        return
    with printed.capture() as captured:
        printed.print(table)
    for line in captured.get().splitlines():
        click.echo(line.rstrip())


def status(rack: Answer) -> RenderableType:
    """Return the rack at a glance, and what needs care."""
    parts: list[RenderableType] = [_summary(rack)]
    if rack["trouble"]:
        parts.append(cell(rack["trouble"], "yellow"))
    if rack["care"]:
        table = headed()
        for each in rack["care"]:
            names = " ".join(map(str, each["rasps"]))
            table.add_row(word(each["wrong"]), cell(names), cell(each["why"]))
        parts.append(table)
    else:
        parts.append(Text("Nothing needs care."))
    return Group(*parts)


def rasps(answers: Iterable[Answer], now: float) -> RenderableType:
    """Return a row for each rasp; `now` is in seconds since the epoch."""
    table = headed("RASP", "STATE", "TEMP", "LOAD", "UP FOR", "IP", "WHY")
    for each in answers:
        table.add_row(
            cell(each["name"]),
            word(_condition(each)),
            cell(_celsius(each["temperature_celsius"])),
            cell(_load(each["load1"])),
            cell(_up_for(each["boot_time_seconds"], now)),
            cell(each["ip"]),
            cell(each["why"]),
        )
    return table


def rasp(each: Answer, now: float) -> RenderableType:
    """Return all that is known of a rasp."""
    ping = {True: "answers", False: "no answer"}.get(each["answers_ping"])
    return _fields(
        {
            "rasp": cell(each["name"]),
            "id": cell(each["id"]),
            "state": word(_condition(each)),
            "why": cell(each["why"] or None),
            "temperature": cell(_celsius(each["temperature_celsius"])),
            "load": cell(_load(each["load1"])),
            "up for": cell(_up_for(each["boot_time_seconds"], now)),
            "ping": cell(ping),
            "host name": cell(each["host_name"]),
            "ip": cell(each["ip"]),
            "mac": cell(each["mac"]),
        }
    )


def stacks(answers: Iterable[Answer]) -> RenderableType:
    """Return a row for each stack."""
    table = headed("STACK", "POWER", "PIN", "PLACE", "RASPS", "WHY")
    for each in answers:
        states = [_condition(rasp) for rasp in each["rasps"]]
        table.add_row(
            cell(each["number"]),
            word(each["power"]),
            cell(each["pin"]),
            cell(f"{each['x']},{each['y']}"),
            _counts({state: states.count(state) for state in sorted(set(states))}),
            cell("; ".join(told for told in (each["disagreement"], each["busy"]) if told)),
        )
    return table


def master(answer: Answer, now: float) -> RenderableType:
    """Return how the master and its services are."""
    fields = _fields(
        {
            "master": cell(answer["host_name"]),
            "pirack": cell(answer["version"]),
            "up for": cell(_up_for(answer["boot_time_seconds"], now)),
            "load": cell(_load(answer["load1"])),
            "temperature": cell(_celsius(answer["temperature_celsius"])),
            "memory": cell(_space(answer["memory_available_bytes"], answer["memory_total_bytes"])),
            "disk": cell(_space(answer["disk_available_bytes"], answer["disk_size_bytes"])),
            **{
                printable(str(each["name"])): cell(f"{each['ip']} {each['mac'] or ''}".rstrip())
                for each in answer["interfaces"]
            },
        }
    )
    services = headed("SERVICE", "STATE", "VERSION", "URL", "WHY")
    for each in answer["services"]:
        services.add_row(
            cell(each["name"]),
            word(each["state"]),
            cell(each["version"]),
            cell(each["url"]),
            cell(each["why"]),
        )
    return Group(fields, Text(), services)


def apart(parts: Iterable[RenderableType]) -> RenderableType:
    """Return parts with an empty line between them."""
    lines = [line for part in parts for line in (Text(), part)]
    return Group(*lines[1:])


def headed(*heads: str) -> Table:
    """Return a table without rows under these heads."""
    table = Table(box=None, pad_edge=False, show_header=bool(heads), header_style="bold")
    for head in heads:
        # What tells a rasp from another stays whole; what explains may be wrapped.
        table.add_column(head, no_wrap=head not in {"WHY", "RASPS"})
    return table


def _fields(fields: Mapping[str, Text]) -> Table:
    table = headed()
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
        line.append(f"; hottest {cell(hottest['name'])}, ")
        line.append(_celsius(hottest["temperature_celsius"]) or "-")
    return line


def _counts(counts: Mapping[str, int]) -> Text:
    parts: Sequence[Text] = [
        word(state, f"{int(count)} {state}") for state, count in counts.items() if count
    ]
    return Text(", ").join(parts)


def _condition(each: Answer) -> str:
    """Return the one word that tells most of a rasp: its warmth while it is up, else its state."""
    warmth = each["warmth"]
    return str(warmth if each["state"] == "up" and warmth in {"warm", "hot"} else each["state"])


def word(state: str, words: str | None = None) -> Text:
    """Return a state in its colour, in its own or in other words."""
    return cell(words or state, _STYLES.get(state, ""))


def cell(value: object, style: str = "") -> Text:
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
