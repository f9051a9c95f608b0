"""Parts of a switch of several outlets: its calls, edges, commanded power and readings."""

from collections.abc import Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

from rack.clock import Moment
from rack.errors import DatabaseError, RelayError
from rack.layout import Outlet
from rack.power.commanded_power import CommandedPower, power_after_switching
from rack.power.edges import Edge, SwitchError
from rack.power.state import OutletReading, SwitchResult


@dataclass
class SwitchSummary:
    """Edges and problems of several switches.

    Attributes:
        edges: Edges of the outlets that were switched.
        problems: Problem of each outlet that was not switched.
    """

    edges: list[Edge] = field(default_factory=list)
    problems: dict[Outlet, str] = field(default_factory=dict)

    def add(self, switch: Callable[[], tuple[Edge, ...]]) -> None:
        """Call a function that switches outlets."""
        try:
            self.edges += switch()
        except SwitchError as error:
            self.edges += error.edges
            self.problems |= error.problems

    def result(self) -> tuple[Edge, ...]:
        """Return all edges.

        Raises:
            SwitchError: If there are problems.
        """
        if self.problems:
            raise SwitchError(self.problems, tuple(self.edges))
        return tuple(self.edges)


def switch_sources(
    calls: Mapping[str, Callable[[], tuple[Edge, ...]]],
    outlets: Collection[Outlet],
    *,
    own_thread: Collection[str],
) -> tuple[Edge, ...]:
    """Call functions of several power sources at the same time. Return all edges.

    Args:
        calls: Function of each power source, keyed by its name.
        outlets: Outlets that the functions are for.
        own_thread: Power sources of which the first one is called in this thread.

    Raises:
        SwitchError: If some outlets cannot be used or switched.
        DatabaseError: If the database cannot be used, and there is only one function.
    """
    names = sorted(calls, key=lambda name: name not in own_thread)
    with ThreadPoolExecutor(max(1, len(names) - 1), "power") as threads:
        others = {name: threads.submit(calls[name]).result for name in names[1:]}
        switched = SwitchSummary()
        for name in names:
            try:
                switched.add(others.get(name, calls[name]))
            except (RelayError, DatabaseError) as error:
                if isinstance(error, DatabaseError) and len(calls) == 1:
                    raise
                failed = [outlet for outlet in outlets if outlet.source == name]
                switched.problems |= dict.fromkeys(failed, str(error))
    return switched.result()


def planned_edges(
    commands: Mapping[Outlet, CommandedPower],
    previous: Mapping[Outlet, CommandedPower],
    planned: Moment,
    cause: str,
) -> dict[Outlet, Edge]:
    """Return an edge for each outlet whose power a command changes, as far as is known.

    Args:
        commands: Commanded power after the switch.
        previous: Commanded power of the outlets of which it is known.
        planned: Planned time.
        cause: What switches the outlets.
    """
    return {
        outlet: Edge(0, outlet.stack, power.is_on, cause, power.boot_id, planned, slot=outlet.slot)
        for outlet, power in commands.items()
        if (known := previous.get(outlet)) is None or known.has_power != power.is_on
    }


def edges_with_times(
    edges: Mapping[Outlet, Edge], results: Mapping[Outlet, SwitchResult]
) -> tuple[Edge, ...]:
    """Return the edges of the outlets that were switched, with their times."""
    return tuple(
        replace(edge, before=results[outlet].before, after=results[outlet].after)
        for outlet, edge in edges.items()
        if not results[outlet].error
    )


def power_after_all(
    commands: Mapping[Outlet, CommandedPower],
    previous: Mapping[Outlet, CommandedPower],
    failed: Collection[Outlet],
) -> dict[Outlet, CommandedPower]:
    """Return the commanded power to save after outlets were switched, some of which failed."""
    return {
        outlet: previous.get(outlet, power) if outlet in failed else power_after_switching(power)
        for outlet, power in commands.items()
    }


def readings_after_switching(
    commands: Mapping[Outlet, CommandedPower], results: Mapping[Outlet, SwitchResult]
) -> dict[Outlet, OutletReading]:
    """Return what the results say about outlets. An outlet that was not read back is unknown."""
    return {
        outlet: OutletReading(
            commands[outlet].is_on if result.is_verified and not result.error else None,
            error=result.error,
        )
        for outlet, result in results.items()
    }
