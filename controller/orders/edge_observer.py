"""Record the first silence and the first answer after an edge of power."""

import logging
from collections.abc import Iterable
from functools import partial

from controller.orders.context import OrderContext
from rack.errors import DatabaseError
from rack.power_edges import Edge, Moment

_log = logging.getLogger(__name__)


class EdgeObserver:
    """Saves what the first rasp of a stack shows after an edge. Later rasps change nothing.

    Args:
        context: Access to the edges.
        edges: The edges.
    """

    def __init__(self, context: OrderContext, edges: Iterable[Edge]) -> None:
        self._context = context
        self._unobserved = {edge.stack: edge.id for edge in edges}

    async def record_silence(self, stack: int, sent_at: Moment) -> None:
        """Save the time at which a ping of a stack was sent that got no reply."""
        await self._save(stack, first_silence=sent_at)

    async def record_answer(self, stack: int, received_at: Moment) -> None:
        """Save the time at which a stack replied."""
        await self._save(stack, first_answer=received_at)

    async def _save(self, stack: int, **observation: Moment) -> None:
        edge = self._unobserved.pop(stack, None)
        if edge is None:
            return
        try:
            save = partial(self._context.relays.edges.save_observation, edge, **observation)
            await self._context.run_in_thread(save)
        except DatabaseError as error:
            _log.error("the observation of power edge %d is not saved: %s", edge, error)
