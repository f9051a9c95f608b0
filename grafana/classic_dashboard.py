"""Dashboard *Rack (classic)*, for Grafana 10 or without the canvas panel."""

from grafana import annotations, links, power_panels, states
from grafana.dashboard import DashboardDefaults, make_dashboard, variables
from grafana.fields import FieldConfig, override
from grafana.grid import COLUMNS, layout_rows
from grafana.json_format import Json
from grafana.panels import stat
from grafana.queries import IN_RACK, STATE, Query
from grafana.rack_panels import history_row, issues_row, summary_panels
from rack.layout import Rack, Stack

_MAX_STACKS_PER_ROW = 12  # more panels would be too narrow to read


def classic_dashboard(rack: Rack, defaults: DashboardDefaults) -> Json:
    """Return the dashboard *Rack (classic)*, with one panel per stack."""
    return make_dashboard(
        links.CLASSIC_UID,
        "Rack (classic)",
        "Does the rack have issues, and where? For Grafana 10, or without the canvas panel.",
        panels=layout_rows(
            (4, summary_panels()),
            *_stack_rows(rack),
            issues_row(),
            history_row(),
            *([power_panels.rack_row()] if power_panels.can_measure(rack) else []),
        ),
        variables=variables(defaults, "rack"),
        annotations=annotations.for_rack(rack),
    )


def _stack_rows(rack: Rack) -> list[tuple[int, list[tuple[Json, int]]]]:
    """Return rows of stack panels, in the same order as the stacks in the room."""
    rows = []
    for y in sorted({stack.y for stack in rack.stacks}):
        stacks = sorted((stack for stack in rack.stacks if stack.y == y), key=lambda stack: stack.x)
        for start in range(0, len(stacks), _MAX_STACKS_PER_ROW):
            row = stacks[start : start + _MAX_STACKS_PER_ROW]
            height = 2 + -(-3 * max(len(stack.slots) for stack in row) // 2)
            edges = [COLUMNS * index // len(row) for index in range(len(row) + 1)]
            rows.append(
                (
                    height,
                    [
                        (_stack_panel(stack), end - begin)
                        for stack, begin, end in zip(row, edges, edges[1:], strict=False)
                    ],
                )
            )
    return rows


def _stack_panel(stack: Stack) -> Json:
    panel = stat(
        stack.name,
        f"State of each rasp of stack {stack.name}. Click a rasp to open its page, or the arrow"
        " next to the title to open the page of the stack.",
        FieldConfig(
            "none", mappings=states.value_mappings(*states.RASP_STATES), no_value="UNKNOWN"
        ),
        [Query(f'{STATE}{{{IN_RACK},rasp="{slot.name}"}}', slot.name) for slot in stack.slots],
        overrides=[
            override(
                slot.name, links=[links.page_link(f"/rasps/{slot.id}", f"Page of {slot.name}")]
            )
            for slot in stack.slots
        ],
        text_mode="value_and_name",
        vertical=True,
    )
    return panel | {
        "links": [links.page_link(f"/stacks/{stack.number}", f"Page of stack {stack.name}")]
    }
