"""Turn stored orders, power edges, installs, runs and audit records into events."""

from collections.abc import Collection, Iterable

from controller.activity.causes import Origin, Origins, edge_places, order_places
from controller.activity.model import ActivityKind, Event, id_of_cause
from controller.audit import LOG_OUT_ACTION, AuditRecord
from controller.experiments.model import RunHeader, RunState, VerdictResult
from controller.orders.model import OrderState, OrderSummary, Result, power_edge_cause
from dhcp_installer.install.journal import InstallKind, InstallRecord, InstallState
from rack.power.edges import Edge

_MAX_REASON_CHARS = 200


def order_event(order: OrderSummary, origins: Origins) -> Event:
    """Return the event of an order at its start, with its result so far."""
    stacks, rasps = order_places(order)
    is_bad = order.result not in {None, Result.OK} or order.state is OrderState.INTERRUPTED
    name = power_edge_cause(order.id)
    return Event(
        id=id_of_cause(name),
        time=order.started_at,
        kind=ActivityKind.ORDER,
        text=f"{name}: {order.request.label} {order.target_text}: {_order_result(order)}",
        stacks=stacks,
        rasps=rasps,
        actor=order.actor,
        link=f"/orders/{order.id}",
        cause=origins.of_order(order.id).name,
        level="warning" if is_bad else "",
    )


def _order_result(order: OrderSummary) -> str:
    if order.state is not OrderState.DONE or order.result is None:
        return str(order.state)
    if order.result is Result.OK:
        return "ok"
    return f"{order.counts[order.result]} {order.result}"


def edge_event(edge: Edge, origins: Origins) -> Event:
    """Return the event of a power edge. An edge without times may not have been switched."""
    origin = origins.of_edge(edge)
    stacks, rasps = edge_places(edge)
    change = "on" if edge.is_on else "off"
    if edge.after is None:
        change += ", not confirmed"
    return Event(
        id=f"edge-{edge.id}",
        time=edge.time,
        kind=ActivityKind.POWER,
        text=f"{'stack ' if stacks else ''}{edge.name} {change}",
        change=change,
        stacks=stacks,
        rasps=rasps,
        actor=origin.actor,
        link=f"/stacks/{edge.stack}" if stacks else f"/rasps/{edge.name}",
        cause=origin.name,
        level="warning" if edge.after is None else "",
    )


def install_event(record: InstallRecord, stacks: Collection[int]) -> Event:
    """Return the event of an install, a replacement or a swap at its start.

    Args:
        record: The install.
        stacks: Numbers of all stacks, which an install concerns.
    """
    is_install = record.kind is InstallKind.INSTALL
    found = sum(map(len, record.report.found.values()))
    missing = sum(record.report.missing.values())
    parts = [str(record.state)]
    if is_install and record.state is InstallState.DONE:
        parts += [f"{found} rasps found", *([f"{missing} missing"] if missing else [])]
    if record.targets:
        parts.append(" and ".join(record.targets))
    reason = f": {_shortened(record.error)}" if record.error else ""
    is_bad = missing or record.error or record.is_unfinished
    return Event(
        id=id_of_cause(record.title),
        time=record.started_at,
        kind=ActivityKind.INSTALL if is_install else ActivityKind.REPLACEMENT,
        text=f"{record.title}: {', '.join(parts)}{reason}",
        stacks=tuple(stacks) if is_install else (),
        rasps=record.targets,
        actor=record.actor,
        link=f"/install/{record.id}",
        cause=Origin.of_install(record).name,
        level="warning" if is_bad and not record.is_running else "",
    )


def run_event(run: RunHeader, orders: Iterable[OrderSummary], origins: Origins) -> Event:
    """Return the event of a run at its start.

    Args:
        run: The run.
        orders: Orders, some of which may be of the run. It concerns their stacks.
        origins: Origins of the orders.
    """
    name = f"run {run.id}"
    own = [order_places(each) for each in orders if origins.of_order(each.id).name == name]
    verdict = run.verdict.result if run.verdict else None
    result = str(verdict or run.state)
    is_bad = verdict not in {None, VerdictResult.OK} or run.state in {
        RunState.ABORTED,
        RunState.INTERRUPTED,
    }
    return Event(
        id=id_of_cause(name),
        time=run.started_at,
        kind=ActivityKind.EXPERIMENT,
        text=f"{run.title}: {result}{f': {_shortened(run.reason)}' if run.reason else ''}",
        stacks=tuple(sorted({stack for stacks, _ in own for stack in stacks})),
        rasps=tuple(sorted({rasp for _, rasps in own for rasp in rasps})),
        actor=run.actor,
        link=f"/experiments/{run.id}",
        cause=name,
        level="warning" if is_bad else "",
    )


def login_event(record: AuditRecord) -> Event:
    """Return the event of a login, a logout or a wrong password."""
    event = record.event
    is_wrong = event.result != "ok"
    if is_wrong:
        text = f"wrong password for {event.actor}"
    else:
        text = f"{event.actor} logged {'out' if event.action == LOG_OUT_ACTION else 'in'}"
    address = f" from {event.client_address}" if event.client_address else ""
    repeats = f", {record.count} times within an hour" if record.count > 1 else ""
    return Event(
        id=f"login-{record.id}",
        time=record.time,
        kind=ActivityKind.LOGIN,
        text=f"{text}{address}{repeats}",
        actor=event.actor,
        level="warning" if is_wrong else "",
    )


def _shortened(text: str) -> str:
    return text if len(text) <= _MAX_REASON_CHARS else f"{text[:_MAX_REASON_CHARS]}…"
