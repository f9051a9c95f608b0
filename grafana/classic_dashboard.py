"""*Rack (classic)*: the same question as *Rack*, for Grafana 10 and where there is no canvas."""

from grafana import annotations, links, states
from grafana.envelope import Place, dashboard, variables
from grafana.fields import Field, override
from grafana.grid import COLUMNS, in_rows
from grafana.panels import stat
from grafana.queries import IN_RACK, STATE, Query
from grafana.rack_panels import numbers, over_time, what_needs_care
from grafana.readable import Json
from rack.layout import Rack, Stack

_BAND = 12  # stacks side by side; more are too narrow to be read


def classic_dashboard(rack: Rack, place: Place) -> Json:
    """Return *Rack (classic)*: each stack is a panel of its rasps' states."""
    return dashboard(
        links.CLASSIC,
        "Rack (classic)",
        "Is all well in the rack, and if not, where? For Grafana 10, and where there is no canvas.",
        panels=in_rows(
            (4, numbers()),
            *_stacks(rack),
            what_needs_care(),
            over_time(),
        ),
        variables=variables(place, "rack"),
        annotations=annotations.of_rack(),
    )


def _stacks(rack: Rack) -> list[tuple[int, list[tuple[Json, int]]]]:
    """Return rows of panels, a stack each, in the order in which the stacks stand."""
    laid_out = []
    for y in sorted({stack.y for stack in rack.stacks}):
        row = sorted((stack for stack in rack.stacks if stack.y == y), key=lambda stack: stack.x)
        for start in range(0, len(row), _BAND):
            band = row[start : start + _BAND]
            height = 2 + -(-3 * max(len(stack.slots) for stack in band) // 2)
            edges = [COLUMNS * index // len(band) for index in range(len(band) + 1)]
            laid_out.append(
                (
                    height,
                    [
                        (_stack(stack), end - begin)
                        for stack, begin, end in zip(band, edges, edges[1:], strict=False)
                    ],
                )
            )
    return laid_out


def _stack(stack: Stack) -> Json:
    panel = stat(
        stack.name,
        f"The state of each rasp of stack {stack.name}. A click on one opens its page, a click on"
        " the arrow beside the title that of the stack.",
        Field("none", mappings=states.mapping(*states.RASP), nothing="UNKNOWN"),
        [Query(f'{STATE}{{{IN_RACK},rasp="{slot.name}"}}', slot.name) for slot in stack.slots],
        overrides=[
            override(slot.name, links=[links.page(f"/rasps/{slot.id}", f"Page of {slot.name}")])
            for slot in stack.slots
        ],
        text="value_and_name",
        vertical=True,
    )
    return panel | {"links": [links.page(f"/stacks/{stack.number}", f"Page of stack {stack.name}")]}
