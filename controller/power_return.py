"""Return the power of stacks after a power cycle that did not end.

A power cycle stores the time of the return of power before its relay moves. While an order or an
install holds a stack, that order or install decides about its power. If a stack has no holder and
its time is over, for example because the controller was killed, a `power_on` order follows. It is
limited, audited and displayed as all orders are.
"""

import logging
from collections.abc import Callable, Collection, Mapping

from controller.errors import StackBusyError
from controller.orders.actions import POWER_ON
from controller.orders.model import POWER_RETURN, Order, OrderRequest
from controller.periodic import PeriodicThread
from rack.commanded_power import overdue_stacks
from rack.relays import Relays

_INTERVAL = 1.0
_RETRY_SECONDS = 60.0  # after an order that could not switch a stack on

_log = logging.getLogger(__name__)


class PowerReturn:
    """Submits `power_on` orders for stacks that must have power again.

    Args:
        relays: Relays of the stacks.
        holders: Returns the holder of each stack that an order or an install holds.
        submit: Submits an order for an actor and a client address.
    """

    def __init__(
        self,
        relays: Relays,
        holders: Callable[[], Mapping[int, str]],
        submit: Callable[[OrderRequest, str, str], Order],
    ) -> None:
        self._relays = relays
        self._holders = holders
        self._submit = submit
        self._retry_at: dict[int, float] = {}
        self._thread = PeriodicThread(
            "power return", _INTERVAL, self.check, "the power of some stacks cannot be returned"
        )

    def start(self) -> None:
        """Check the stacks now, and every second until `close`. Orders must be accepted."""
        self._thread.start()

    def close(self) -> None:
        """Submit no further orders."""
        self._thread.close()

    def check(self) -> Order | None:
        """Submit an order for the stacks that must have power and that have no holder.

        Raises:
            PiRackError: If the order is rejected.
        """
        now = self._relays.now().monotonic
        held = self._holders()  # before the power, which an order switches before its end
        overdue = overdue_stacks(self._relays.all_commanded(), now)
        self._retry_at = {stack: self._retry_at.get(stack, now) for stack in overdue}
        stacks = tuple(
            stack for stack in overdue if stack not in held and self._retry_at[stack] <= now
        )
        if not stacks:
            return None
        try:
            order = self._submit(OrderRequest(POWER_ON, "stacks", stacks), POWER_RETURN, "")
        except StackBusyError:  # another order was submitted at the same time
            return None
        self._retry_at |= dict.fromkeys(stacks, now + _RETRY_SECONDS)
        _log.warning(
            "%s returns the power of stack %s after an interrupted power cycle",
            order.title,
            ", ".join(map(str, stacks)),
        )
        return order

    def switch_on(self, stacks: Collection[int]) -> None:
        """Submit an order for those of the stacks that are off.

        Raises:
            PiRackError: If the order is rejected.
        """
        powers = self._relays.all_commanded()
        off = tuple(stack for stack in sorted(stacks) if not powers[stack].has_power)
        if off:
            self._submit(OrderRequest(POWER_ON, "stacks", off), POWER_RETURN, "")
