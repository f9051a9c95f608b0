"""Tables of the rack, its rasps and stacks, and the master. Unknown values are dashes."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from rich.console import Group, RenderableType
from rich.text import Text

from cli.models import ApiMaster, ApiOutlet, ApiRack, ApiRasp, ApiStack
from rack.fitted_table import FittedTable
from rack.terminal import make_table, printable
from rack.units import format_available, format_energy

_STATE_STYLES = {
    "up": "green",
    "on": "green",
    "normal": "green",
    "warm": "yellow",
    "hot": "bold red",
    "down": "bold red",
    "unknown": "yellow",
    "partial": "yellow",
    "off": "dim",
    "ok": "green",
    "failed": "bold red",
    "critical": "bold red",
    "warning": "yellow",
}


def rack_status(rack: ApiRack) -> RenderableType:
    """Return a summary of the rack and tables of its issues and warnings about power."""
    parts: list[RenderableType] = [_rack_summary(rack)]
    if rack.error:
        parts.append(cell(rack.error, "yellow"))
    if rack.issues_error:
        parts.append(cell(f"Issues may be outdated: {rack.issues_error}", "yellow"))
    if rack.issues:
        table = make_table("SEVERITY", "SINCE", "ISSUE", "EXPLAINS")
        for issue in rack.issues:
            table.add_row(
                colored(issue.severity),
                cell(format_time(issue.started_at)),
                cell(issue.reason),
                cell(_format_explained(len(issue.explains))),
            )
        parts.append(table)
    else:
        parts.append(Text("Issues unknown." if rack.issues_error else "No issues."))
    if rack.power_warnings:
        table = make_table("RASPS", "REASON")
        for warning in rack.power_warnings:
            table.add_row(cell(" ".join(warning.rasps)), cell(warning.reason))
        parts.append(table)
    return Group(*parts)


def rasp_table(rasps: Iterable[ApiRasp]) -> RenderableType:
    """Return a table with a row for each rasp."""
    table = make_table("RASP", "STATE", "TEMP", "LOAD", "UPTIME", "IP", "REASON")
    for rasp in rasps:
        table.add_row(
            cell(rasp.name),
            colored(rasp.display_state),
            cell(format_celsius(rasp.temperature_celsius)),
            cell(format_load(rasp.load1)),
            cell(format_uptime(rasp.uptime_seconds)),
            cell(rasp.ip),
            cell(rasp.reason),
        )
    return table


def rasp_summary(rasps: Sequence[ApiRasp]) -> Text:
    """Return the number of rasps in each state or operation, and the hottest rasp, in one line."""
    states = Counter(rasp.state for rasp in rasps if not rasp.is_busy)
    operations = Counter(rasp.operation for rasp in rasps if rasp.operation and rasp.is_busy)
    counts = {state: states[state] for state in ("up", "down", "off", "unknown")}
    counts |= operations.most_common()
    line = Text(f"{len(rasps)} rasps: ").append_text(_format_counts(counts))
    measured = [rasp for rasp in rasps if rasp.temperature_celsius is not None]
    hottest = max(measured, key=lambda rasp: rasp.temperature_celsius or 0.0, default=None)
    if hottest is not None:
        line.append(_hottest_text(hottest.name, hottest.temperature_celsius))
    return line


def all_rasp_details(rasps: Iterable[ApiRasp]) -> RenderableType:
    """Return the details of rasps, separated by empty lines."""
    lines = [line for rasp in rasps for line in (Text(), _rasp_details(rasp))]
    return Group(*lines[1:])


def _rasp_details(rasp: ApiRasp) -> RenderableType:
    ping = {True: "reachable", False: "no reply", None: None}[rasp.answers_ping]
    return _field_table(
        {
            "rasp": cell(rasp.name),
            "id": cell(rasp.id),
            "state": colored(rasp.display_state),
            "reason": cell(rasp.reason or None),
            "temperature": cell(format_celsius(rasp.temperature_celsius)),
            "load": cell(format_load(rasp.load1)),
            "uptime": cell(format_uptime(rasp.uptime_seconds)),
            "clock": _clock(rasp),
            "ping": cell(ping),
            **_power_fields(rasp),
            "host name": cell(rasp.host_name),
            "ip": cell(rasp.ip),
            "mac": cell(rasp.mac),
        }
    )


def _power_fields(rasp: ApiRasp) -> dict[str, Text]:
    """Return the fields of the power of a rasp, with details if it has an outlet of its own."""
    outlet = rasp.outlet
    if outlet is None:
        return {"power": colored(rasp.power)}
    fields = {
        "power": colored(outlet.power, f"{outlet.power}, observed {outlet.observed}"),
        "outlet": cell(outlet.label),
        "consumption": cell(_format_watts(outlet.watts)),
        "energy": cell(_energy(outlet.energy_joules)),
    }
    return fields | ({"outlet error": cell(outlet.error, "yellow")} if outlet.error else {})


def stack_table(stacks: Iterable[ApiStack]) -> RenderableType:
    """Return a table with a row for each stack."""
    table = make_table("STACK", "POWER", "WATTS", "OUTLETS", "POSITION", "RASPS", "REASON")
    for stack in stacks:
        states = [rasp.display_state for rasp in stack.rasps]
        table.add_row(
            cell(stack.number),
            colored(stack.power),
            cell(_format_watts(stack.watts)),
            cell(_format_outlets(stack.outlets)),
            cell(f"{stack.x},{stack.y}"),
            _format_counts({state: states.count(state) for state in sorted(set(states))}),
            cell("; ".join(filter(None, (*_power_problems(stack), stack.reserved_by)))),
        )
    return table


def _power_problems(stack: ApiStack) -> list[str]:
    errors = dict.fromkeys(outlet.error for outlet in stack.outlets)
    return [stack.power_mismatch, *errors]


def _format_outlets(outlets: Sequence[ApiOutlet]) -> str:
    """Return the outlet of a stack, or the first and the last one of its slots."""
    ends = dict.fromkeys((outlets[0].label, outlets[-1].label)) if outlets else {}
    return " … ".join(ends)


def master_details(master: ApiMaster) -> RenderableType:
    """Return the details of the master and a table of its services."""
    fields = _field_table(
        {
            "master": cell(master.host_name),
            "pirack": cell(master.version),
            "uptime": cell(format_uptime(master.uptime_seconds)),
            "load": cell(format_load(master.load1)),
            "temperature": cell(format_celsius(master.temperature_celsius)),
            "memory": cell(
                format_available(master.memory_available_bytes, master.memory_total_bytes)
            ),
            "disk": cell(format_available(master.disk_available_bytes, master.disk_size_bytes)),
            **{
                printable(interface.name): cell(f"{interface.ip} {interface.mac or ''}".rstrip())
                for interface in master.interfaces
            },
        }
    )
    services = make_table("SERVICE", "STATE", "VERSION", "URL", "REASON")
    for service in master.services:
        services.add_row(
            cell(service.name),
            colored(service.state),
            cell(service.version),
            cell(service.url),
            cell(service.reason),
        )
    return Group(fields, Text(), services)


def colored(state: str, text: str | None = None) -> Text:
    """Return a state, or a text about it, in the color of the state."""
    return cell(text or state, _STATE_STYLES.get(state, ""))


def cell(value: object, style: str = "") -> Text:
    """Return a value as printable text, or a dash for None."""
    return Text("-" if value is None else printable(str(value)), style)


def format_time(seconds: float, time_format: str = "%Y-%m-%d %H:%M:%S") -> str:
    """Return a time in the local time zone."""
    try:
        return datetime.fromtimestamp(seconds).astimezone().strftime(time_format)
    except (OSError, OverflowError, ValueError):  # beyond the year 9999
        return "-"


def _field_table(fields: Mapping[str, Text]) -> FittedTable:
    table = make_table()
    for name, value in fields.items():
        table.add_row(Text(name, "bold"), value)
    return table


def _rack_summary(rack: ApiRack) -> Text:
    line = Text.assemble(
        (printable(rack.name), "bold"),
        f": {rack.stacks} stacks, {rack.rasps} rasps: ",
        _format_counts(rack.states | rack.operations),
    )
    if rack.hottest:
        line.append(_hottest_text(rack.hottest.name, rack.hottest.temperature_celsius))
    return line


def _hottest_text(name: str, celsius: float | None) -> str:
    return f"; hottest {cell(name)}, {format_celsius(celsius) or '-'}"


def _format_explained(count: int) -> str:
    return f"{count} alert{'s' if count > 1 else ''}" if count else ""


def _format_counts(counts: Mapping[str, int]) -> Text:
    return Text(", ").join(
        colored(state, f"{count} {state}") for state, count in counts.items() if count
    )


def format_celsius(degrees: float | None) -> str | None:
    """Return a temperature with its unit, or None if it is unknown."""
    return None if degrees is None else f"{degrees:.0f} °C"


def format_load(load: float | None) -> str | None:
    """Return a load, or None if it is unknown."""
    return None if load is None else f"{load:.2f}"


def _format_watts(watts: float | None) -> str | None:
    return None if watts is None else f"{watts:.1f} W"


def _energy(joules: float | None) -> str | None:
    return None if joules is None else format_energy(joules)


def format_uptime(seconds: float | None) -> str | None:
    """Return an uptime such as `2d 4h`, or None if it is unknown."""
    return None if seconds is None else _format_duration(seconds)


def _clock(rasp: ApiRasp) -> Text:
    offset = rasp.clock_offset_seconds
    if offset is None or rasp.is_clock_off is None:
        return cell(None)
    if not rasp.is_clock_off:
        return cell("agrees with the master's")
    direction = "ahead of" if offset > 0 else "behind"
    return cell(f"{_format_duration(abs(offset))} {direction} the master's", "yellow")


def _format_duration(seconds: float) -> str:
    minutes = int(seconds // 60)
    if minutes == 0:
        return f"{seconds:.0f}s"
    days, hours = divmod(minutes // 60, 24)
    return f"{days}d {hours}h" if days else f"{hours}h {minutes % 60}m"
