"""Positions of canvas elements for racks of any geometry."""

from collections.abc import Mapping
from itertools import combinations, pairwise

import pytest
from hypothesis import given, settings

from grafana import canvas, geometry
from grafana.dashboard import DashboardDefaults
from grafana.generator import DEFAULT_CONTROLLER_URL, build_dashboards
from grafana.geometry import Box
from grafana.rack_dashboard import rack_dashboard
from rack.layout import Rack
from tests.grafana.dashboard_reader import (
    Dashboard,
    assert_fills_the_grid,
    canvas_elements,
    canvas_series,
    panels,
)
from tests.grafana.racks import make_rack, racks

TOLERANCE = 0.01  # in percent, above rounding errors


def overlap(one: Box, other: Box) -> bool:
    return (
        one.left + one.width > other.left + TOLERANCE
        and other.left + other.width > one.left + TOLERANCE
        and one.top + one.height > other.top + TOLERANCE
        and other.top + other.height > one.top + TOLERANCE
    )


def inside(one: Box, other: Box) -> bool:
    return (
        one.left >= other.left - TOLERANCE
        and one.top >= other.top - TOLERANCE
        and one.left + one.width <= other.left + other.width + TOLERANCE
        and one.top + one.height <= other.top + other.height + TOLERANCE
    )


def canvas_panel(rack: Rack) -> Dashboard:
    defaults = DashboardDefaults(DEFAULT_CONTROLLER_URL, rack.name, "01", "01-1")
    dashboard = rack_dashboard(rack, defaults)
    [panel] = [panel for panel in panels(dashboard) if panel["type"] == "canvas"]
    return panel


def one_click_url(element: Dashboard) -> str:
    [link] = element["links"]
    assert link["oneClick"] is True
    url: str = link["url"]
    return url


def element_box(element: Dashboard) -> Box:
    sides: Mapping[str, float] = element["placement"]
    width = 100 - sides["left"] - sides["right"]
    height = 100 - sides["top"] - sides["bottom"]
    return Box(sides["left"], sides["top"], width, height)


@given(racks)
@settings(max_examples=40)
def test_elements_are_visible_and_inside_the_canvas(rack: Rack) -> None:
    for element in canvas_elements(canvas_panel(rack)):
        box = element_box(element)
        assert inside(box, Box(0, 0, 100, 100)), element["name"]
        assert box.width > TOLERANCE
        assert box.height > TOLERANCE
        assert element["constraint"] == {"horizontal": "scale", "vertical": "scale"}


@given(racks)
@settings(max_examples=40)
def test_stacks_do_not_overlap_and_contain_their_rasps(rack: Rack) -> None:
    stacks = geometry.draw(rack).stacks
    assert not any(overlap(one.frame, other.frame) for one, other in combinations(stacks, 2))
    for stack in stacks:
        inner = [stack.header, *(box for _, box in stack.cells)]
        assert all(inside(box, stack.frame) for box in inner)
        assert not any(overlap(one, other) for one, other in pairwise(inner))


@given(racks)
@settings(max_examples=40)
def test_stacks_have_the_same_order_as_in_the_room(rack: Rack) -> None:
    for one, other in combinations(geometry.draw(rack).stacks, 2):
        assert (one.stack.x < other.stack.x) == (one.frame.left < other.frame.left)
        assert (one.stack.y < other.stack.y) == (one.frame.top < other.frame.top)


@given(racks)
@settings(max_examples=40)
def test_every_rasp_and_stack_has_its_series_text_and_link(rack: Rack) -> None:
    panel = canvas_panel(rack)
    named = {element["name"]: element for element in canvas_elements(panel)}
    assert len(named) == len(rack.stacks) * 6 + len(rack.slots) * 4
    for slot in rack.slots:
        assert named[f"Rasp {slot.name}"]["config"]["text"]["fixed"] == slot.name
        assert one_click_url(named[f"Rasp {slot.name}"]) == (
            f"/d/pirack-rasp?var-rack=${{rack}}&var-stack={slot.stack_name}&var-rasp={slot.name}"
            "&${__url_time_range}"
        )
        page = one_click_url(named[f"Page of {slot.name}"])
        assert page == f"${{controller}}/rasps/{slot.id}"
    for stack in rack.stacks:
        assert one_click_url(named[f"Stack {stack.name}"]) == (
            f"/d/pirack-stack?var-rack=${{rack}}&var-stack={stack.name}&${{__url_time_range}}"
        )
        page = one_click_url(named[f"Page of stack {stack.name}"])
        assert page == f"${{controller}}/stacks/{stack.number}"
    assert canvas_series(panel) == {
        *(slot.name for slot in rack.slots),
        *(f"{prefix} {slot.name}" for slot in rack.slots for prefix in ("t", "text")),
        *(f"power {stack.name}" for stack in rack.stacks),
    }


@pytest.mark.slow
@given(racks)
@settings(max_examples=40)
def test_links_are_only_covered_by_the_arrow_to_the_page(rack: Rack) -> None:
    elements = canvas_elements(canvas_panel(rack))
    boxes = [element_box(element) for element in elements]
    # Not `overlap`, because a rack has hundreds of thousands of pairs.
    sides = [(box.left, box.left + box.width, box.top, box.top + box.height) for box in boxes]
    for index, (left, right, top, bottom) in enumerate(sides):
        if "links" in elements[index]:
            covering = [
                other
                for other, (other_left, other_right, other_top, other_bottom) in enumerate(
                    sides[index + 1 :], start=index + 1
                )
                if other_left < right - TOLERANCE
                and other_right > left + TOLERANCE
                and other_top < bottom - TOLERANCE
                and other_bottom > top + TOLERANCE
            ]
            is_arrow = elements[index]["name"].startswith("Page of ")
            assert covering == ([] if is_arrow else [index + 1])


@given(racks)
@settings(max_examples=40)
def test_arrows_leave_most_of_a_cell_to_the_dashboard(rack: Rack) -> None:
    named = {element["name"]: element for element in canvas_elements(canvas_panel(rack))}
    for slot in rack.slots:
        arrow, cell = element_box(named[f"Page of {slot.name}"]), named[f"Rasp {slot.name}"]
        assert inside(arrow, element_box(cell))
        area = element_box(cell).width * element_box(cell).height
        assert arrow.width * arrow.height < area / 8


@given(racks)
@settings(max_examples=30)
def test_panels_fill_the_grid_for_any_geometry(rack: Rack) -> None:
    dashboards = build_dashboards(rack)
    assert_fills_the_grid(dashboards["pirack-rack"])
    assert_fills_the_grid(dashboards["pirack-rack-classic"])


def test_wide_gap_is_drawn_as_one_empty_column() -> None:
    near, far = make_rack((0, 0, 4), (2, 0, 4)), make_rack((7, 3, 4), (999, 3, 4))
    assert geometry.draw(near).columns == geometry.draw(far).columns == 3


def test_stack_with_fewer_slots_is_drawn_shorter() -> None:
    short, long = geometry.draw(make_rack((0, 0, 2), (1, 0, 4))).stacks
    assert short.cells[0][1].height == long.cells[0][1].height
    assert short.frame.height < long.frame.height
    assert short.frame.top == long.frame.top


def test_height_of_a_rasp_is_similar_on_all_racks() -> None:
    def pixels(rack: Rack) -> float:
        drawing = geometry.draw(rack)
        height = canvas.panel_height(drawing) * 38 - 64
        return drawing.stacks[0].cells[0][1].height / 100 * height

    tiny, huge = make_rack((0, 0, 1)), make_rack(*((x, y, 8) for x in range(6) for y in range(4)))
    assert 50 < pixels(tiny) < 100
    assert 50 < pixels(huge) < 100


def test_missing_series_is_displayed_as_unknown() -> None:
    elements = canvas_elements(canvas_panel(make_rack((0, 0, 1))))
    by_name = {element["name"]: element for element in elements}
    assert by_name["State of 01-1"]["config"]["text"] == {
        "mode": "field",
        "field": "01-1",
        "fixed": "UNKNOWN",
    }
    assert by_name["Power of stack 01"]["config"]["text"]["fixed"] == "?"
