"""*Rack (classic)*: the same question as *Rack*, for Grafana 10 and where there is no canvas."""

from grafana import annotations, links, states
from grafana.dashboard import DashboardDefaults, make_dashboard, variables
from grafana.fields import FieldConfig, override
from grafana.grid import COLUMNS, layout_rows
from grafana.json_format import Json
from grafana.panels import stat
from grafana.queries import IN_RACK, STATE, Query
from grafana.rack_panels import history_row, issues_row, summary_panels
from rack.layout import Rack, Stack

_MAX_STACKS_PER_ROW = 12  # stacks side by side; more are too narrow to be read


def classic_dashboard(rack: Rack, defaults: DashboardDefaults) -> Json:
    """Return *Rack (classic)*: each stack is a panel of its rasps' states."""
    return make_dashboard(
        links.CLASSIC_UID,
        "Rack (classic)",
        "Is all well in the rack, and if not, where? For Grafana 10, and where there is no canvas.",
        panels=layout_rows(
            (4, summary_panels()),
            *_stack_rows(rack),
            issues_row(),
            history_row(),
        ),
        variables=variables(defaults, "rack"),
        annotations=annotations.for_rack(),
    )


def _stack_rows(rack: Rack) -> list[tuple[int, list[tuple[Json, int]]]]:
    """Return rows of panels, a stack each, in the order in which the stacks stand."""
    laid_out = []
    for y in sorted({stack.y for stack in rack.stacks}):
        row = sorted((stack for stack in rack.stacks if stack.y == y), key=lambda stack: stack.x)
        for start in range(0, len(row), _MAX_STACKS_PER_ROW):
            band = row[start : start + _MAX_STACKS_PER_ROW]
            height = 2 + -(-3 * max(len(stack.slots) for stack in band) // 2)
            edges = [COLUMNS * index // len(band) for index in range(len(band) + 1)]
            laid_out.append(
                (
                    height,
                    [
                        (_stack_panel(stack), end - begin)
                        for stack, begin, end in zip(band, edges, edges[1:], strict=False)
                    ],
                )
            )
    return laid_out


def _stack_panel(stack: Stack) -> Json:
    panel = stat(
        stack.name,
        f"The state of each rasp of stack {stack.name}. A click on one opens its page, a click on"
        " the arrow beside the title that of the stack.",
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
