"""Return power after a power cycle that did not end.

A power cycle stores the time of the return of power before its outlet is switched off. While an
order or an install holds a stack, that order or install decides about its power. If a stack has no
holder and the time of an outlet is over, for example because the controller was killed, a
`power_on` order follows. It is limited, audited and displayed as all orders are.
"""

import logging
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

from controller.errors import StackBusyError
from controller.orders.actions import POWER_ON
from controller.orders.model import POWER_RETURN, Order, OrderRequest
from controller.periodic import PeriodicThread
from rack.layout import Outlet, Rack
from rack.power.commanded_power import overdue_outlets
from rack.power.outlets import Outlets

_INTERVAL = 1.0
_RETRY_SECONDS = 60.0  # after an order that could not switch an outlet on

_log = logging.getLogger(__name__)


class PowerReturn:
    """Submits `power_on` orders for stacks and rasps that must have power again.

    Args:
        rack: Layout of the rack.
        outlets: Outlets of the rack.
        holders: Returns the holder of each stack that an order or an install holds.
        submit: Submits an order for an actor and a client address.
    """

    def __init__(
        self,
        rack: Rack,
        outlets: Outlets,
        holders: Callable[[], Mapping[int, str]],
        submit: Callable[[OrderRequest, str, str], Order],
    ) -> None:
        self._rack = rack
        self._outlets = outlets
        self._holders = holders
        self._submit = submit
        self._retry_at: dict[Outlet, float] = {}
        self._thread = PeriodicThread(
            "power return", _INTERVAL, self.check, "the power of some stacks cannot be returned"
        )

    def start(self) -> None:
        """Check the outlets now, and every second until `close`. Orders must be accepted."""
        self._thread.start()

    def close(self) -> None:
        """Submit no further orders."""
        self._thread.close()

    def check(self) -> None:
        """Submit orders for the outlets that must supply power and whose stacks have no holder.

        Raises:
            PiRackError: If an order is rejected.
        """
        now = self._outlets.now().monotonic
        held = self._holders()  # before the power, which an order switches before its end
        overdue = overdue_outlets(self._outlets.all_commanded(), now)
        self._retry_at = {outlet: self._retry_at.get(outlet, now) for outlet in overdue}
        outlets = [
            outlet
            for outlet in overdue
            if outlet.stack not in held and self._retry_at[outlet] <= now
        ]
        for request, switched in self._requests(outlets):
            try:
                order = self._submit(request, POWER_RETURN, "")
            except StackBusyError:  # another order was submitted at the same time
                continue
            self._retry_at |= dict.fromkeys(switched, now + _RETRY_SECONDS)
            _log.warning(
                "%s returns the power of %s after an interrupted power cycle",
                order.title,
                ", ".join(outlet.name for outlet in switched),
            )

    def switch_on(self, stacks: Collection[int]) -> None:
        """Submit orders for those of the stacks and of their rasps that are off.

        Raises:
            PiRackError: If an order is rejected.
        """
        off = [
            outlet
            for outlet in self._rack.outlets
            if outlet.stack in stacks and self._outlets.has_power(outlet) is False
        ]
        for request, _ in self._requests(off):
            self._submit(request, POWER_RETURN, "")

    def _requests(
        self, outlets: Iterable[Outlet]
    ) -> Iterator[tuple[OrderRequest, tuple[Outlet, ...]]]:
        """Yield an order for whole stacks and one for single rasps, each with its outlets.

        A stack all of whose outlets are to be switched on is a whole stack.
        """
        chosen = set(outlets)
        stacks = [
            stack
            for stack in self._rack.stacks
            if all(outlet in chosen for outlet in stack.outlets)
        ]
        of_stacks = tuple(outlet for stack in stacks for outlet in stack.outlets)
        if stacks:
            numbers = tuple(stack.number for stack in stacks)
            yield OrderRequest(POWER_ON, "stacks", numbers), of_stacks
        of_rasps = tuple(sorted(chosen.difference(of_stacks), key=lambda each: each.name))
        if of_rasps:
            ids = tuple(
                slot.id
                for outlet in of_rasps
                for slot in self._rack.stack(outlet.stack).slots_of(outlet)
            )
            yield OrderRequest(POWER_ON, "rasps", ids), of_rasps
