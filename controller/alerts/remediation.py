"""What the controller does about an alert by itself, where rack.toml allows it.

Two things alone. A stack of which nothing answers is power-cycled: nothing is left on it that could
be shut down, or that a cut could harm. A rasp that answers ping and not its exporter is rebooted
by SSH; where it does not answer SSH either, only its stack's power would help, and that would take
its neighbours down: this is left to people.

A remedy must not make a bad thing worse, so each wants to be sure that its own target is to blame:
see `plan`.
"""

import logging
import time
from collections.abc import Callable, Sequence
from typing import Protocol

from controller.alerts.alert import Alert
from controller.orders.model import Order, OrderRequest
from controller.orders.store import OrderFilter
from controller.state.model import PowerState, RackState, RaspState, RaspStatus, StackState
from rack.errors import RackError
from rack.layout import RemediationSettings

_ACTOR_PREFIX = "remedy:"
_CLIENT_ADDRESS = "alertmanager"
_SECONDS_PER_HOUR = 3600.0
_MAX_HUNG = 2
_MAX_REMEMBERED = 10_000

_log = logging.getLogger(__name__)


class OrderSubmitter(Protocol):
    """As much of the orders as a remedy needs."""

    def submit(self, request: OrderRequest, actor: str, client_address: str) -> Order:
        """Take an order and begin with it; RackError where it is refused."""

    def list_recent(self, limit: int, order_filter: OrderFilter | None = None) -> list[Order]:
        """Return the newest orders that fit."""


class RemediationSkippedError(Exception):
    """There is a remedy, and it would be wrong to use it now; the text says why, for people."""


def plan(alert: Alert, settings: RemediationSettings, state: RackState) -> OrderRequest | None:
    """Return what to order about an alert, None where there is no remedy for it.

    Args:
        alert: it fires.
        settings: what is allowed.
        state: the rack as it is now: an alert is always a little old.

    Raises:
        NotNow: it is not so any more, or something else than the target is to blame.
    """
    if alert.labels.get("rack") != state.rack.name:
        return None
    if alert.name == "PiRackStackGone" and settings.power_cycle_dead_stack:
        stack = next((s for s in state.stacks if s.stack.name == alert.labels.get("stack")), None)
        return _power_cycle(stack, state) if stack else None
    if alert.name == "PiRackRaspExporterDown" and settings.reboot_wedged_rasp:
        rasp = next((r for r in state.rasps if r.slot.name == alert.labels.get("rasp")), None)
        return _reboot(rasp, state) if rasp else None
    return None


def _power_cycle(stack: StackState, state: RackState) -> OrderRequest:
    _require_unreserved(stack)
    if not _is_down(stack):
        raise RemediationSkippedError("the stack is not gone any more, or nobody can tell")
    gone = [each.stack.name for each in state.stacks if _is_down(each)]
    if len(gone) > 1:
        raise RemediationSkippedError(
            f"stacks {', '.join(gone)} are gone at once: more than a relay is to blame"
        )
    if not any(rasp.state is RaspStatus.UP for rasp in state.rasps):
        raise RemediationSkippedError(
            "no rasp of any other stack answers: the network may be to blame"
        )
    return OrderRequest("power_cycle", "stacks", (stack.stack.number,), force=True)


def _reboot(rasp: RaspState, state: RackState) -> OrderRequest:
    _require_unreserved(state.stacks[rasp.slot.stack - 1])
    if not _is_hung(rasp):
        raise RemediationSkippedError("the rasp is not wedged any more, or nobody can tell")
    wedged = [each.slot.name for each in state.rasps if _is_hung(each)]
    if len(wedged) > _MAX_HUNG:
        raise RemediationSkippedError(
            f"{len(wedged)} exporters do not answer at once: they, or their aliases, are to blame"
        )
    return OrderRequest("reboot", "rasps", (rasp.slot.id,))


def _require_unreserved(stack: StackState) -> None:
    if stack.reserved_by:
        raise RemediationSkippedError(
            f"stack {stack.stack.number} is busy with {stack.reserved_by}"
        )


def _is_down(stack: StackState) -> bool:
    installed = [rasp for rasp in stack.rasps if rasp.rasp is not None]
    return (
        stack.power is PowerState.ON
        and bool(installed)
        and all(rasp.state is RaspStatus.DOWN and rasp.answers_ping is False for rasp in installed)
    )


def _is_hung(rasp: RaspState) -> bool:
    return rasp.state is RaspStatus.DOWN and rasp.answers_ping is True


class Remediation:
    """Orders remedies, and remembers what became of each. To be called from one thread.

    Args:
        settings: what is allowed.
        orders: takes them.
        state: how the rack is.
        clock: seconds since the epoch.
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
        """Return what became of the remedy for an alert; empty where there is none."""
        return self._status.get(alert.occurrence, "")

    def apply(self, alerts: Sequence[Alert]) -> None:
        """Use the remedies that there are for alerts, each once for each time that one fires.

        One that is not used now is tried again when Alertmanager tells of the alert again.
        """
        for alert in alerts:
            if alert.occurrence not in self._handled:
                self._apply_to(alert)

    def _apply_to(self, alert: Alert) -> None:
        try:
            wanted = plan(alert, self._settings, self._state())
            if wanted is None:
                return
            self._check_hourly_limit()
            order = self._orders.submit(wanted, _ACTOR_PREFIX + alert.name, _CLIENT_ADDRESS)
        except (RemediationSkippedError, RackError) as refusal:
            self._set_status(alert, f"no remedy was used: {refusal}")
        else:
            self._handled.add(alert.occurrence)
            self._set_status(alert, f"order {order.id}: {wanted.action}")

    def _check_hourly_limit(self) -> None:
        newest = self._orders.list_recent(
            self._settings.max_per_hour, OrderFilter(text=_ACTOR_PREFIX)
        )
        since = self._clock() - _SECONDS_PER_HOUR
        used = [
            each
            for each in newest
            if each.actor.startswith(_ACTOR_PREFIX) and each.started_at > since
        ]
        if len(used) >= self._settings.max_per_hour:
            raise RemediationSkippedError(
                f"{len(used)} in the last hour are enough: somebody should look"
            )

    def _set_status(self, alert: Alert, text: str) -> None:
        if self._status.get(alert.occurrence) == text:
            return
        _log.warning("%s of %s: %s", alert.name, _target_name(alert), text)
        self._status[alert.occurrence] = text
        for oldest in list(self._status)[:-_MAX_REMEMBERED]:
            del self._status[oldest]
            self._handled.discard(oldest)


def _target_name(alert: Alert) -> str:
    return alert.labels.get("rasp") or f"stack {alert.labels.get('stack', '?')}"
