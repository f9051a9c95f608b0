"""Record the first silence and the first answer after an edge of power."""

import logging
from collections.abc import Iterable
from functools import partial

from controller.orders.context import OrderContext
from rack.clock import Moment
from rack.errors import DatabaseError
from rack.layout import Slot
from rack.power.edges import Edge

_log = logging.getLogger(__name__)


class EdgeObserver:
    """Saves what the first rasp of an outlet shows after an edge. Later rasps change nothing.

    Args:
        context: Access to the edges.
        edges: The edges.
    """

    def __init__(self, context: OrderContext, edges: Iterable[Edge]) -> None:
        self._context = context
        self._unobserved = {(edge.stack, edge.slot): edge.id for edge in edges}

    async def record_silence(self, slot: Slot, sent_at: Moment) -> None:
        """Save the time at which a ping of a rasp was sent that got no reply."""
        await self._save(slot, first_silence=sent_at)

    async def record_answer(self, slot: Slot, received_at: Moment) -> None:
        """Save the time at which a rasp replied."""
        await self._save(slot, first_answer=received_at)

    async def _save(self, slot: Slot, **observation: Moment) -> None:
        for key in ((slot.stack, slot.number), (slot.stack, None)):
            edge = self._unobserved.pop(key, None)
            if edge is not None:
                break
        else:
            return
        try:
            save = partial(self._context.outlets.edges.save_observation, edge, **observation)
            await self._context.run_in_thread(save)
        except DatabaseError as error:
            _log.error("the observation of power edge %d is not saved: %s", edge, error)
