"""The controller's answers as tables for people. What nobody has read or found is a dash."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import click
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from cli.text import printable

_UNWRAPPED_WIDTH = 10_000

_STATE_STYLES = {
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

JsonObject = Mapping[str, Any]


def make_console(*, stderr: bool = False) -> Console:
    """Return what tables are printed on: as wide as the terminal, or, in a pipe, as the table.

    Colours are for terminals alone, and for none where `NO_COLOR` is set.
    """
    plain = Console(highlight=False, markup=False, emoji=False, stderr=stderr)
    if not plain.is_terminal:
        plain.width = _UNWRAPPED_WIDTH
    return plain


def print_table(table: RenderableType) -> None:
    """Print a table; in a pipe, without the spaces that fill its last column up."""
    printed = make_console()
    if printed.is_terminal:
        printed.print(table)
        return
    with printed.capture() as captured:
        printed.print(table)
    for line in captured.get().splitlines():
        click.echo(line.rstrip())


def rack_status(rack: JsonObject) -> RenderableType:
    """Return the rack at a glance, and what needs care."""
    parts: list[RenderableType] = [_rack_summary(rack)]
    if rack["trouble"]:
        parts.append(cell(rack["trouble"], "yellow"))
    if rack["care"]:
        table = make_table()
        for each in rack["care"]:
            names = " ".join(map(str, each["rasps"]))
            table.add_row(colored(each["wrong"]), cell(names), cell(each["why"]))
        parts.append(table)
    else:
        parts.append(Text("Nothing needs care."))
    return Group(*parts)


def rasp_table(rasps: Iterable[JsonObject], now: float) -> RenderableType:
    """Return a row for each rasp; `now` is in seconds since the epoch."""
    table = make_table("RASP", "STATE", "TEMP", "LOAD", "UP FOR", "IP", "WHY")
    for each in rasps:
        table.add_row(
            cell(each["name"]),
            colored(_display_state(each)),
            cell(_format_celsius(each["temperature_celsius"])),
            cell(_format_load(each["load1"])),
            cell(_format_uptime(each["boot_time_seconds"], now)),
            cell(each["ip"]),
            cell(each["why"]),
        )
    return table


def rasp_details(rasp: JsonObject, now: float) -> RenderableType:
    """Return all that is known of a rasp."""
    ping = {True: "answers", False: "no answer"}.get(rasp["answers_ping"])
    return _field_table(
        {
            "rasp": cell(rasp["name"]),
            "id": cell(rasp["id"]),
            "state": colored(_display_state(rasp)),
            "why": cell(rasp["why"] or None),
            "temperature": cell(_format_celsius(rasp["temperature_celsius"])),
            "load": cell(_format_load(rasp["load1"])),
            "up for": cell(_format_uptime(rasp["boot_time_seconds"], now)),
            "ping": cell(ping),
            "host name": cell(rasp["host_name"]),
            "ip": cell(rasp["ip"]),
            "mac": cell(rasp["mac"]),
        }
    )


def stack_table(stacks: Iterable[JsonObject]) -> RenderableType:
    """Return a row for each stack."""
    table = make_table("STACK", "POWER", "PIN", "PLACE", "RASPS", "WHY")
    for each in stacks:
        states = [_display_state(rasp) for rasp in each["rasps"]]
        table.add_row(
            cell(each["number"]),
            colored(each["power"]),
            cell(each["pin"]),
            cell(f"{each['x']},{each['y']}"),
            _format_counts({state: states.count(state) for state in sorted(set(states))}),
            cell("; ".join(told for told in (each["disagreement"], each["busy"]) if told)),
        )
    return table


def master_details(master: JsonObject, now: float) -> RenderableType:
    """Return how the master and its services are."""
    fields = _field_table(
        {
            "master": cell(master["host_name"]),
            "pirack": cell(master["version"]),
            "up for": cell(_format_uptime(master["boot_time_seconds"], now)),
            "load": cell(_format_load(master["load1"])),
            "temperature": cell(_format_celsius(master["temperature_celsius"])),
            "memory": cell(
                _format_space(master["memory_available_bytes"], master["memory_total_bytes"])
            ),
            "disk": cell(_format_space(master["disk_available_bytes"], master["disk_size_bytes"])),
            **{
                printable(str(each["name"])): cell(f"{each['ip']} {each['mac'] or ''}".rstrip())
                for each in master["interfaces"]
            },
        }
    )
    services = make_table("SERVICE", "STATE", "VERSION", "URL", "WHY")
    for each in master["services"]:
        services.add_row(
            cell(each["name"]),
            colored(each["state"]),
            cell(each["version"]),
            cell(each["url"]),
            cell(each["why"]),
        )
    return Group(fields, Text(), services)


def separated(parts: Iterable[RenderableType]) -> RenderableType:
    """Return parts with an empty line between them."""
    lines = [line for part in parts for line in (Text(), part)]
    return Group(*lines[1:])


def make_table(*headers: str) -> Table:
    """Return a table without rows under these heads."""
    table = Table(box=None, pad_edge=False, show_header=bool(headers), header_style="bold")
    for head in headers:
        # What tells a rasp from another stays whole; what explains may be wrapped.
        table.add_column(head, no_wrap=head not in {"WHY", "RASPS"})
    return table


def _field_table(fields: Mapping[str, Text]) -> Table:
    table = make_table()
    for name, value in fields.items():
        table.add_row(Text(name, "bold"), value)
    return table


def _rack_summary(rack: JsonObject) -> Text:
    hottest = rack["hottest"]
    line = Text.assemble(
        (printable(str(rack["name"])), "bold"),
        f": {int(rack['stacks'])} stacks, {int(rack['rasps'])} rasps: ",
        _format_counts(rack["states"]),
    )
    if hottest:
        line.append(f"; hottest {cell(hottest['name'])}, ")
        line.append(_format_celsius(hottest["temperature_celsius"]) or "-")
    return line


def _format_counts(counts: Mapping[str, int]) -> Text:
    parts: Sequence[Text] = [
        colored(state, f"{int(count)} {state}") for state, count in counts.items() if count
    ]
    return Text(", ").join(parts)


def _display_state(rasp: JsonObject) -> str:
    """Return the one word that tells most of a rasp: its warmth while it is up, else its state."""
    warmth = rasp["warmth"]
    return str(warmth if rasp["state"] == "up" and warmth in {"warm", "hot"} else rasp["state"])


def colored(state: str, text: str | None = None) -> Text:
    """Return a state in its colour, in its own or in other words."""
    return cell(text or state, _STATE_STYLES.get(state, ""))


def cell(value: object, style: str = "") -> Text:
    """Return a value as text, a dash for what nobody knows."""
    return Text("-" if value is None else printable(str(value)), style)


def _format_celsius(degrees: float | None) -> str | None:
    return None if degrees is None else f"{degrees:.0f} °C"


def _format_load(load: float | None) -> str | None:
    return None if load is None else f"{load:.2f}"


def _format_space(available: int, total: int) -> str:
    return f"{available / 2**30:.1f} of {total / 2**30:.1f} GiB free"


def _format_uptime(boot_time: float | None, now: float) -> str | None:
    if boot_time is None:
        return None
    minutes = int(max(now - boot_time, 0) // 60)
    days, hours = divmod(minutes // 60, 24)
    return f"{days}d {hours}h" if days else f"{hours}h {minutes % 60}m"
