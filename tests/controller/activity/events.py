"""Stored and recorded things, from which the tests of the activity build events."""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from controller.orders.model import OrderRequest, OrderState, OrderSummary, Result, Scope
from controller.state.changes import (
    ALERT_CHANGE_SERIES,
    FIRST_UPTIME_SERIES,
    STATE_CHANGE_SERIES,
)
from controller.state.prometheus import Series
from dhcp_installer.install.journal import InstallKind, InstallRecord, InstallState
from dhcp_installer.install.progress import ProgressReport, Stage
from rack.clock import Moment
from rack.power.edges import Edge

NOW = 1_767_225_600.0
"""Time from which the tests count, in seconds since the epoch."""

DOWN, UP, OFF, UNKNOWN = 0.0, 1.0, 4.0, -1.0
"""Values of a change of a state."""


def order(
    number: int,
    action: str,
    *targets: str,
    at: float = 0.0,
    result: Result | None = Result.OK,
    **fields: Any,
) -> OrderSummary:
    """Return an order for stacks (`03`) or rasps (`03-2`). It runs if it has no result."""
    scope: Scope = "rasps" if "-" in targets[0] else "stacks"
    times = {"started_at": NOW + at, "finished_at": None if result is None else NOW + at + 30}
    state = OrderState.RUNNING if result is None else OrderState.DONE
    return OrderSummary(
        **{
            "id": number,
            "request": OrderRequest(action, scope),
            "targets": targets,
            "actor": "alice",
            "client_address": "",
            "state": state,
            "counts": Counter({result: len(targets)}),
            **times,
            **fields,
        }
    )


def edge(
    number: int,
    stack: int,
    *,
    is_on: bool,
    at: float = 0.0,
    cause: str = "",
    slot: int | None = None,
    is_confirmed: bool = True,
) -> Edge:
    """Return a power edge. Without confirmation, its time is the planned one."""
    planned, after = Moment(at, NOW + at - 1), Moment(at, NOW + at)
    times = {"before": planned, "after": after} if is_confirmed else {}
    return Edge(number, stack, is_on, cause, "boot", planned, **times, slot=slot)


def install(  # noqa: PLR0913 - the fields of an install
    number: int,
    *,
    at: float = 0.0,
    seconds: float | None = 600.0,
    kind: InstallKind = InstallKind.INSTALL,
    state: InstallState = InstallState.DONE,
    found: int = 48,
    missing: int = 0,
    error: str = "",
    targets: tuple[str, ...] = (),
) -> InstallRecord:
    """Return an install. It runs if it has no duration."""
    macs = tuple(map(str, range(found)))
    report = ProgressReport(NOW + at, Stage.FINISH, found={1: macs}, missing={2: missing})
    return InstallRecord(
        id=number,
        kind=kind,
        strategy="cut",
        actor="bob",
        state=InstallState.RUNNING if seconds is None else state,
        started_at=NOW + at,
        finished_at=None if seconds is None else NOW + at + seconds,
        report=report,
        steps=(),
        error=error,
        config_path=Path("dhcpd.conf"),
        config_written=True,
        previous_config=None,
        assignment=None,
        targets=targets,
    )


def state_changes(rasp: str, *samples: tuple[float, float]) -> Series:
    """Return recorded states of a rasp, each with the seconds after `NOW`."""
    return _rasp_series(STATE_CHANGE_SERIES, rasp, samples)


def first_uptimes(rasp: str, *samples: tuple[float, float]) -> Series:
    """Return recorded first uptimes of a rasp, each with the seconds after `NOW`."""
    return _rasp_series(FIRST_UPTIME_SERIES, rasp, samples)


def alert_changes(name: str, *samples: tuple[float, float], **labels: str) -> Series:
    """Return the recorded starts (1) and ends (0) of an alert."""
    common = {"__name__": ALERT_CHANGE_SERIES, "alertname": name, "alertstate": "firing"}
    return Series({**common, **labels}, _points(samples))


def _rasp_series(name: str, rasp: str, samples: Iterable[tuple[float, float]]) -> Series:
    stack, slot = rasp.split("-")
    labels = {"__name__": name, "rack": "pirack", "stack": stack, "slot": slot, "rasp": rasp}
    return Series(labels, _points(samples))


def _points(samples: Iterable[tuple[float, float]]) -> tuple[tuple[float, float], ...]:
    return tuple((NOW + at, value) for at, value in samples)
