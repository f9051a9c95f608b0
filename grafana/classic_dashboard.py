"""Dashboard *Rack (classic)*, for phones and for Grafana without the canvas panel.

On a phone, Grafana shows the panels below each other with the same heights. So the values of a
stack are side by side, which makes the panel of a stack flat.
"""

from collections.abc import Iterator

from grafana import annotations, links, states
from grafana.dashboard import DashboardDefaults, make_dashboard, variables
from grafana.fields import FieldConfig, override
from grafana.grid import COLUMNS, Row, layout_sections
from grafana.json_format import Json
from grafana.panels import StatOptions, stat
from grafana.queries import IN_RACK, STATE, Query
from grafana.rack_history import history_sections
from grafana.rack_issues import issues_section
from grafana.rack_summary import summary_row
from rack.layout import Rack, Stack

_HEIGHT = 3
_VALUE_SIZE = 12  # pixels
_MAX_STACKS_PER_ROW = 3
_MAX_SLOTS_PER_STACK = 4  # in a row of several stacks
_SLOTS_PER_LINE = 16  # more values of a stack are on top of each other


def classic_dashboard(rack: Rack, defaults: DashboardDefaults) -> Json:
    """Return the dashboard *Rack (classic)*, with one panel per stack."""
    return make_dashboard(
        links.CLASSIC_UID,
        "Rack (classic)",
        "Does the rack have issues, and where? For phones and without the canvas panel.",
        panels=layout_sections(
            [summary_row(rack), *_stack_rows(rack)],
            issues_section(),
            *history_sections(rack, collapsed=True),
        ),
        variables=variables(defaults, "rack"),
        annotations=annotations.for_rack(rack),
    )


def _stack_rows(rack: Rack) -> Iterator[Row]:
    """Yield rows of stack panels, in the same order as the stacks in the room."""
    for y in sorted({stack.y for stack in rack.stacks}):
        stacks = sorted((stack for stack in rack.stacks if stack.y == y), key=lambda stack: stack.x)
        slots = max(len(stack.slots) for stack in stacks)
        per_row = max(
            1, _MAX_STACKS_PER_ROW * _MAX_SLOTS_PER_STACK // max(slots, _MAX_SLOTS_PER_STACK)
        )
        for start in range(0, len(stacks), per_row):
            row = stacks[start : start + per_row]
            edges = [COLUMNS * index // len(row) for index in range(len(row) + 1)]
            yield (
                _HEIGHT if slots <= _SLOTS_PER_LINE else 2 + slots,
                [
                    (_stack_panel(stack), end - begin)
                    for stack, begin, end in zip(row, edges, edges[1:], strict=False)
                ],
            )


def _state_of(rasp: str) -> str:
    """Return the state of a rasp, also if the rasp has no state."""
    state = f'max({STATE}{{{IN_RACK},rasp="{rasp}"}})'
    return f"{state} or vector({states.UNKNOWN.value})"


def _stack_panel(stack: Stack) -> Json:
    panel = stat(
        stack.name,
        f"State of each rasp of stack {stack.name}. Click a rasp to open its dashboard, or the"
        " arrow next to the title to open the dashboard or the page of the stack.",
        FieldConfig(
            "none",
            mappings=states.value_mappings(*states.RASP_STATES, states.UNKNOWN),
            no_value="UNKNOWN",
        ),
        [Query(_state_of(slot.name), slot.name) for slot in stack.slots],
        # A single link opens without a menu.
        overrides=[
            override(slot.name, links=[links.rasp_link(stack.name, slot.name)])
            for slot in stack.slots
        ],
        stat_options=StatOptions(
            text_mode="value_and_name",
            orientation="horizontal" if len(stack.slots) > _SLOTS_PER_LINE else "vertical",
            value_size=_VALUE_SIZE,
        ),
    )
    return panel | {
        "links": [
            links.stack_link(stack.name),
            links.page_link(f"/stacks/{stack.number}", f"Page of stack {stack.name}"),
        ]
    }
