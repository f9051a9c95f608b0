"""Plan runs: expand a plan file or take the plan of an earlier run, and change nothing."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from controller.errors import RunConflictError
from controller.experiments.expansion import RackContext, expand
from controller.experiments.model import ExperimentRequest
from controller.experiments.plan import Plan
from controller.experiments.plan_file import parse_plan_file
from controller.experiments.run_reservation import find_reservation
from controller.experiments.store import RunStore
from controller.orders.service import OrderService
from controller.reservations.service import ReservationService

_PREPARE_SECONDS = 60.0  # for actions and clocks, in the longest duration of a run


@dataclass(frozen=True)
class DryRun:
    """A plan and its effects.

    Attributes:
        plan: The plan.
        longest_seconds: Longest duration of its run, without the check.
    """

    plan: Plan
    longest_seconds: float


class RunPlanner:
    """Plans runs.

    Args:
        orders: Knows the rack and the actions.
        reservations: Reservations of stacks.
        store: Stores runs.
        runs_by_stack: Returns the ids of the unfinished runs, by stack number.
    """

    def __init__(
        self,
        orders: OrderService,
        reservations: ReservationService,
        store: RunStore,
        runs_by_stack: Callable[[], Mapping[int, int]],
    ) -> None:
        self._orders = orders
        self._reservations = reservations
        self._store = store
        self._runs_by_stack = runs_by_stack

    def plan(self, request: ExperimentRequest, actor: str) -> DryRun:
        """Return the plan of a request. Raises the errors of `ExperimentService.plan`."""
        reserved = None
        if request.reservation is not None:
            found = find_reservation(self._reservations, request.reservation, actor)
            reserved = found.stacks
        if request.replay_of is not None:
            plan = self._store.get(request.replay_of).plan
            _require_reserved(plan, request.replay_of, reserved)
        else:
            plan_file = parse_plan_file(request.text, request.file)
            context = self._context(reserved, actor)
            plan = expand(plan_file, request.file, request.seed, context)
        return DryRun(plan, _longest_seconds(plan))

    def _context(self, reserved: Sequence[int] | None, actor: str) -> RackContext:
        """Return what a plan may use. Without a reservation, free stacks are chosen first."""
        rack = self._orders.rack
        taken = set(self._runs_by_stack()) | {
            stack
            for stack, holder in self._reservations.holders().items()
            if not holder.belongs_to(actor)
        }
        numbers = [stack.number for stack in rack.stacks]
        offered = reserved or sorted(numbers, key=lambda number: (number in taken, number))
        return RackContext(rack, self._orders.actions.for_rasps, offered, reserved)


def _longest_seconds(plan: Plan) -> float:
    boots = 2 * plan.abort.boot_within
    return 2 * _PREPARE_SECONDS + boots + 2 * plan.within + plan.duration


def _require_reserved(plan: Plan, replay_of: int, reserved: Sequence[int] | None) -> None:
    missing = [stack for stack in plan.stacks if reserved is not None and stack not in reserved]
    if missing:
        raise RunConflictError(
            f"run {replay_of} uses stack {missing[0]}, which is not reserved: reserve stacks"
            f" {' '.join(map(str, plan.stacks))}"
        )
