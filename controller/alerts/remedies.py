"""What the controller does about an alert by itself, where rack.toml allows it.

Two things alone. A stack of which nothing answers is power-cycled: nothing is left on it that could
be shut down, or that a cut could harm. A rasp that answers ping and not its exporter is rebooted
by SSH; where it does not answer SSH either, only its stack's power would help, and that would take
its neighbours down: this is left to people.

A remedy must not make a bad thing worse, so each wants to be sure that its own target is to blame:
see `choose`.
"""

import logging
import time
from collections.abc import Callable, Sequence
from typing import Protocol

from controller.alerts.alert import Alert
from controller.orders.book import Search
from controller.orders.order import Order, Wanted
from controller.state import Power, RackState, RaspState, StackState, State
from rack.errors import RackError
from rack.layout import RemedyRules

_WHO = "remedy:"
_ORIGIN = "alertmanager"
_HOUR = 3600.0
_MOST_WEDGED = 2
_MOST_REMEMBERED = 10_000

_log = logging.getLogger(__name__)


class Orders(Protocol):
    """As much of the orders as a remedy needs."""

    def place(self, wanted: Wanted, who: str, origin: str) -> Order:
        """Take an order and begin with it; RackError where it is refused."""

    def newest(self, count: int, search: Search | None = None) -> list[Order]:
        """Return the newest orders that fit."""


class NotNow(Exception):
    """There is a remedy, and it would be wrong to use it now; the text says why, for people."""


def choose(alert: Alert, rules: RemedyRules, now: RackState) -> Wanted | None:
    """Return what to order about an alert, None where there is no remedy for it.

    Args:
        alert: it fires.
        rules: what is allowed.
        now: the rack as it is now: an alert is always a little old.

    Raises:
        NotNow: it is not so any more, or something else than the target is to blame.
    """
    if alert.labels.get("rack") != now.rack.name:
        return None
    if alert.name == "PiRackStackGone" and rules.power_cycle_dead_stack:
        stack = next((s for s in now.stacks if s.stack.name == alert.labels.get("stack")), None)
        return _power_cycle(stack, now) if stack else None
    if alert.name == "PiRackRaspExporterDown" and rules.reboot_wedged_rasp:
        rasp = next((r for r in now.rasps if r.slot.name == alert.labels.get("rasp")), None)
        return _reboot(rasp, now) if rasp else None
    return None


def _power_cycle(stack: StackState, now: RackState) -> Wanted:
    _check_free(stack)
    if not _is_gone(stack):
        raise NotNow("the stack is not gone any more, or nobody can tell")
    gone = [each.stack.name for each in now.stacks if _is_gone(each)]
    if len(gone) > 1:
        raise NotNow(f"stacks {', '.join(gone)} are gone at once: more than a relay is to blame")
    if not any(rasp.state is State.UP for rasp in now.rasps):
        raise NotNow("no rasp of any other stack answers: the network may be to blame")
    return Wanted("power_cycle", "stacks", (stack.stack.number,), force=True)


def _reboot(rasp: RaspState, now: RackState) -> Wanted:
    _check_free(now.stacks[rasp.slot.stack - 1])
    if not _is_wedged(rasp):
        raise NotNow("the rasp is not wedged any more, or nobody can tell")
    wedged = [each.slot.name for each in now.rasps if _is_wedged(each)]
    if len(wedged) > _MOST_WEDGED:
        raise NotNow(
            f"{len(wedged)} exporters do not answer at once: they, or their aliases, are to blame"
        )
    return Wanted("reboot", "rasps", (rasp.slot.id,))


def _check_free(stack: StackState) -> None:
    if stack.busy:
        raise NotNow(f"stack {stack.stack.number} is busy with {stack.busy}")


def _is_gone(stack: StackState) -> bool:
    installed = [rasp for rasp in stack.rasps if rasp.rasp is not None]
    return (
        stack.power is Power.ON
        and bool(installed)
        and all(rasp.state is State.DOWN and rasp.answers_ping is False for rasp in installed)
    )


def _is_wedged(rasp: RaspState) -> bool:
    return rasp.state is State.DOWN and rasp.answers_ping is True


class Remedies:
    """Orders remedies, and remembers what became of each. To be called from one thread.

    Args:
        rules: what is allowed.
        orders: takes them.
        state: how the rack is.
        clock: seconds since the epoch.
    """

    def __init__(
        self,
        rules: RemedyRules,
        orders: Orders,
        state: Callable[[], RackState],
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._rules = rules
        self._orders = orders
        self._state = state
        self._clock = clock
        self._said: dict[tuple[str, float], str] = {}
        self._done: set[tuple[str, float]] = set()

    def said(self, alert: Alert) -> str:
        """Return what became of the remedy for an alert; empty where there is none."""
        return self._said.get(alert.episode, "")

    def try_all(self, alerts: Sequence[Alert]) -> None:
        """Use the remedies that there are for alerts, each once for each time that one fires.

        One that is not used now is tried again when Alertmanager tells of the alert again.
        """
        for alert in alerts:
            if alert.episode not in self._done:
                self._try(alert)

    def _try(self, alert: Alert) -> None:
        try:
            wanted = choose(alert, self._rules, self._state())
            if wanted is None:
                return
            self._check_hour()
            order = self._orders.place(wanted, _WHO + alert.name, _ORIGIN)
        except (NotNow, RackError) as refusal:
            self._say(alert, f"no remedy was used: {refusal}")
        else:
            self._done.add(alert.episode)
            self._say(alert, f"order {order.id}: {wanted.action}")

    def _check_hour(self) -> None:
        newest = self._orders.newest(self._rules.at_most_an_hour, Search(text=_WHO))
        since = self._clock() - _HOUR
        used = [each for each in newest if each.who.startswith(_WHO) and each.began > since]
        if len(used) >= self._rules.at_most_an_hour:
            raise NotNow(f"{len(used)} in the last hour are enough: somebody should look")

    def _say(self, alert: Alert, text: str) -> None:
        if self._said.get(alert.episode) == text:
            return
        _log.warning("%s of %s: %s", alert.name, _place(alert), text)
        self._said[alert.episode] = text
        for oldest in list(self._said)[:-_MOST_REMEMBERED]:
            del self._said[oldest]
            self._done.discard(oldest)


def _place(alert: Alert) -> str:
    return alert.labels.get("rasp") or f"stack {alert.labels.get('stack', '?')}"
