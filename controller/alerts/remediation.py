"""Remediate alerts automatically, if rack.toml allows it.

- A stack without a responding rasp is power-cycled. A power cut cannot harm rasps that are down.
- A rasp that does not respond is power-cycled if it has an outlet to itself. Otherwise, a power
  cycle would affect other rasps, so operators decide.
- A rasp that answers ping, but whose exporter is down, is rebooted over SSH.

A remediation is skipped if something other than its target may be the cause. See `plan`.
"""

import logging
import time
from collections.abc import Callable, Sequence
from typing import Protocol

from controller.orders.model import Order, OrderRequest, OrderSummary
from controller.orders.store import OrderFilter
from controller.state.alert import Alert
from controller.state.model import PowerState, RackState, RaspState, RaspStatus, StackState
from rack.errors import PiRackError
from rack.settings import RemediationSettings

_ACTOR_PREFIX = "remediation:"
_CLIENT_ADDRESS = "alertmanager"
_SECONDS_PER_HOUR = 3600.0
_MAX_AT_ONCE = 2  # rasps with the same problem
_MAX_STATUSES = 10_000

_log = logging.getLogger(__name__)


class OrderSubmitter(Protocol):
    """The methods of the order service that remediation uses."""

    def submit(self, request: OrderRequest, actor: str, client_address: str) -> Order:
        """Submit an order. Raise `PiRackError` if it is rejected."""

    def list_recent(
        self, limit: int, order_filter: OrderFilter | None = None
    ) -> list[OrderSummary]:
        """Return the most recent orders that match the filter."""


class RemediationSkippedError(PiRackError):
    """A remediation exists, but must not be applied now."""


def plan(alert: Alert, settings: RemediationSettings, state: RackState) -> OrderRequest | None:
    """Return the order that remediates an alert, or None if the alert has no remediation.

    Args:
        alert: A firing alert.
        settings: Allowed remediations.
        state: Current state of the rack. An alert may be outdated.

    Raises:
        RemediationSkippedError: If the problem is gone, or the target may not be its cause.
    """
    if alert.labels.get("rack") != state.rack.name:
        return None
    if alert.name == "PiRackStackDown" and settings.power_cycle_dead_stack:
        stack = next((s for s in state.stacks if s.stack.name == alert.labels.get("stack")), None)
        return _power_cycle(stack, state) if stack else None
    rasp = next((r for r in state.rasps if r.slot.name == alert.labels.get("rasp")), None)
    if alert.name == "PiRackRaspExporterDown" and settings.reboot_wedged_rasp:
        return _reboot(rasp, state) if rasp else None
    if alert.name == "PiRackRaspDown" and settings.power_cycle_dead_rasp:
        return _power_cycle_rasp(rasp, state) if rasp else None
    return None


def _power_cycle(stack: StackState, state: RackState) -> OrderRequest:
    _require_unreserved(stack)
    if stack.outlet_differs:
        raise RemediationSkippedError(_mismatch(stack))
    if not _is_down(stack):
        raise RemediationSkippedError("the stack is no longer down, or its state is unknown")
    down = [other.stack.name for other in state.stacks if _is_down(other)]
    if len(down) > 1:
        raise RemediationSkippedError(
            f"stacks {', '.join(down)} are down at the same time: they may have a common cause"
        )
    if not any(rasp.state is RaspStatus.UP for rasp in state.rasps):
        raise RemediationSkippedError(
            "no rasp of another stack is up: the network may be the cause"
        )
    return OrderRequest("power_cycle", "stacks", (stack.stack.number,), force=True)


def _power_cycle_rasp(rasp: RaspState, state: RackState) -> OrderRequest | None:
    stack = state.stacks[rasp.slot.stack - 1]
    if stack.stack.slots_of(stack.stack.outlet_of(rasp.slot)) != (rasp.slot,):
        return None
    _require_unreserved(stack)
    if rasp.outlet and rasp.outlet.differs:
        raise RemediationSkippedError(_mismatch(stack))
    if not _is_dead(rasp):
        raise RemediationSkippedError("the rasp is no longer down, or its state is unknown")
    _require_few(sum(map(_is_dead, state.rasps)), "rasps")
    if not any(other.state is RaspStatus.UP for other in state.rasps):
        raise RemediationSkippedError("no other rasp is up: the network may be the cause")
    return OrderRequest("power_cycle", "rasps", (rasp.slot.id,), force=True)


def _reboot(rasp: RaspState, state: RackState) -> OrderRequest:
    _require_unreserved(state.stacks[rasp.slot.stack - 1])
    if not _is_hung(rasp):
        raise RemediationSkippedError("the rasp is no longer hung, or its state is unknown")
    _require_few(sum(map(_is_hung, state.rasps)), "exporters")
    return OrderRequest("reboot", "rasps", (rasp.slot.id,))


def _require_unreserved(stack: StackState) -> None:
    if stack.reserved_by:
        raise RemediationSkippedError(
            f"stack {stack.stack.number} is busy with {stack.reserved_by}"
        )


def _require_few(count: int, what: str) -> None:
    if count > _MAX_AT_ONCE:
        raise RemediationSkippedError(
            f"{count} {what} are down at the same time: they may have a common cause"
        )


def _is_down(stack: StackState) -> bool:
    installed = [rasp for rasp in stack.rasps if rasp.rasp is not None]
    return (
        stack.power is PowerState.ON
        and bool(installed)
        and all(rasp.state is RaspStatus.DOWN and rasp.answers_ping is False for rasp in installed)
    )


def _is_dead(rasp: RaspState) -> bool:
    return (
        rasp.power is PowerState.ON and rasp.state is RaspStatus.DOWN and rasp.answers_ping is False
    )


def _mismatch(stack: StackState) -> str:
    """Return how the power of a stack differs from the command."""
    mismatches = (stack.power_mismatch, *(outlet.mismatch for outlet in stack.outlets))
    return next(filter(None, mismatches), "its power differs from the command")


def _is_hung(rasp: RaspState) -> bool:
    return rasp.state is RaspStatus.DOWN and rasp.answers_ping is True


class Remediation:
    """Submitter of remediation orders, for use in one thread. Stores the status of each order.

    Args:
        settings: Allowed remediations.
        orders: Order service.
        state: Returns the current state of the rack.
        clock: Returns seconds since the epoch.
    """

    def __init__(
        self,
        settings: RemediationSettings,
        orders: OrderSubmitter,
        state: Callable[[], RackState],
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._settings = settings
        self._orders = orders
        self._state = state
        self._clock = clock
        self._status: dict[tuple[str, float], str] = {}
        self._handled: set[tuple[str, float]] = set()

    def status_text(self, alert: Alert) -> str:
        """Return the status of an alert's remediation, or "" if there is none."""
        return self._status.get(alert.occurrence, "")

    def apply(self, alerts: Sequence[Alert]) -> None:
        """Remediate alerts, once for each occurrence.

        A skipped remediation is tried again when Alertmanager repeats the alert.
        """
        for alert in alerts:
            if alert.occurrence not in self._handled:
                self._apply_to(alert)

    def _apply_to(self, alert: Alert) -> None:
        try:
            request = plan(alert, self._settings, self._state())
            if request is None:
                return
            self._check_hourly_limit()
            order = self._orders.submit(request, _ACTOR_PREFIX + alert.name, _CLIENT_ADDRESS)
        except PiRackError as error:
            self._set_status(alert, f"skipped: {error}")
        else:
            self._handled.add(alert.occurrence)
            self._set_status(alert, f"order {order.id}: {request.action}")

    def _check_hourly_limit(self) -> None:
        orders = self._orders.list_recent(
            self._settings.max_per_hour, OrderFilter(text=_ACTOR_PREFIX)
        )
        since = self._clock() - _SECONDS_PER_HOUR
        count = sum(
            order.actor.startswith(_ACTOR_PREFIX) and order.started_at > since for order in orders
        )
        if count >= self._settings.max_per_hour:
            raise RemediationSkippedError(
                f"the limit of {self._settings.max_per_hour} remediation orders per hour is"
                " reached: check the rack"
            )

    def _set_status(self, alert: Alert, text: str) -> None:
        if self._status.get(alert.occurrence) == text:
            return
        _log.warning("%s of %s: %s", alert.name, _target_name(alert), text)
        self._status[alert.occurrence] = text
        for oldest in list(self._status)[:-_MAX_STATUSES]:
            del self._status[oldest]
            self._handled.discard(oldest)


def _target_name(alert: Alert) -> str:
    return alert.labels.get("rasp") or f"stack {alert.labels.get('stack', '?')}"
