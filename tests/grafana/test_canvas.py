"""The rack as it is drawn: everything where it belongs, whatever the rack's geometry is."""

from collections.abc import Iterator, Mapping
from itertools import combinations, pairwise

from hypothesis import given, settings

from grafana import canvas, geometry
from grafana.generator import build_dashboards
from grafana.geometry import Box
from rack.layout import Rack
from tests.grafana.dashboard_reader import (
    Dashboard,
    assert_fills_the_grid,
    canvas_elements,
    canvas_series,
    panels,
    urls,
)
from tests.grafana.racks import make_rack, racks

TOLERANCE = 0.01  # in percent: less than what rounding does


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
    [panel] = [
        each for each in panels(build_dashboards(rack)["pirack-rack"]) if each["type"] == "canvas"
    ]
    return panel


def element_box(element: Dashboard) -> Box:
    at: Mapping[str, float] = element["placement"]
    width, height = 100 - at["left"] - at["right"], 100 - at["top"] - at["bottom"]
    return Box(at["left"], at["top"], width, height)


def drawn_boxes(rack: Rack) -> Iterator[Box]:
    """Every place in which something is drawn by itself: names of stacks, and rasps."""
    for stack in geometry.draw(rack).stacks:
        yield stack.header
        for _, box in stack.cells:
            yield box


@given(racks)
@settings(deadline=None, max_examples=40)
def test_everything_is_inside_of_the_drawing_and_can_be_seen(rack: Rack) -> None:
    for element in canvas_elements(canvas_panel(rack)):
        box = element_box(element)
        assert inside(box, Box(0, 0, 100, 100)), element["name"]
        assert box.width > TOLERANCE
        assert box.height > TOLERANCE
        assert element["constraint"] == {"horizontal": "scale", "vertical": "scale"}


@given(racks)
@settings(deadline=None, max_examples=40)
def test_no_stack_lies_on_another_and_each_holds_its_rasps(rack: Rack) -> None:
    stacks = geometry.draw(rack).stacks
    assert not any(overlap(one.frame, other.frame) for one, other in combinations(stacks, 2))
    for stack in stacks:
        inner = [stack.header, *(box for _, box in stack.cells)]
        assert all(inside(box, stack.frame) for box in inner)
        assert not any(overlap(one, other) for one, other in pairwise(inner))


@given(racks)
@settings(deadline=None, max_examples=40)
def test_stacks_stand_beside_and_above_each_other_as_in_the_room(rack: Rack) -> None:
    for one, other in combinations(geometry.draw(rack).stacks, 2):
        assert (one.stack.x < other.stack.x) == (one.frame.left < other.frame.left)
        assert (one.stack.y < other.stack.y) == (one.frame.top < other.frame.top)


@given(racks)
@settings(deadline=None, max_examples=40)
def test_every_rasp_and_stack_has_its_state_its_words_and_its_page(rack: Rack) -> None:
    panel = canvas_panel(rack)
    named = {element["name"]: element for element in canvas_elements(panel)}
    assert len(named) == len(rack.stacks) * 5 + len(rack.slots) * 3
    for slot in rack.slots:
        assert named[f"rasp-{slot.name}"]["config"]["text"]["fixed"] == slot.name
        [link] = named[f"rasp-{slot.name}"]["links"]
        assert link["url"] == f"${{controller}}/rasps/{slot.id}"
        assert link["oneClick"] is True
    for stack in rack.stacks:
        [url] = urls(named[f"stack-{stack.name}"])
        assert url == f"${{controller}}/stacks/{stack.number}"
    assert canvas_series(panel) == {
        *(slot.name for slot in rack.slots),
        *(f"{of} {slot.name}" for slot in rack.slots for of in ("t", "ink")),
        *(f"power {stack.name}" for stack in rack.stacks),
    }


@given(racks)
@settings(deadline=None, max_examples=40)
def test_what_is_clicked_lies_uppermost(rack: Rack) -> None:
    boxes = [
        (element_box(element), "links" in element)
        for element in canvas_elements(canvas_panel(rack))
    ]
    for index, (box, is_clicked) in enumerate(boxes):
        if is_clicked:
            assert not any(overlap(box, above) for above, _ in boxes[index + 1 :])


@given(racks)
@settings(deadline=None, max_examples=30)
def test_panels_fill_the_width_on_a_rack_of_any_geometry(rack: Rack) -> None:
    dashboards = build_dashboards(rack)
    assert_fills_the_grid(dashboards["pirack-rack"])
    assert_fills_the_grid(dashboards["pirack-rack-classic"])


def test_a_wide_gap_is_drawn_as_one_empty_place() -> None:
    near, far = make_rack((0, 0, 4), (2, 0, 4)), make_rack((7, 3, 4), (999, 3, 4))
    assert geometry.draw(near).columns == geometry.draw(far).columns == 3


def test_a_short_stack_is_drawn_short() -> None:
    short, long = geometry.draw(make_rack((0, 0, 2), (1, 0, 4))).stacks
    assert short.cells[0][1].height == long.cells[0][1].height
    assert short.frame.height < long.frame.height
    assert short.frame.top == long.frame.top


def test_a_rasp_is_about_as_high_on_any_rack() -> None:
    def pixels(rack: Rack) -> float:
        drawing = geometry.draw(rack)
        height = canvas.panel_height(drawing) * 38 - 64
        return drawing.stacks[0].cells[0][1].height / 100 * height

    tiny, huge = make_rack((0, 0, 1)), make_rack(*((x, y, 8) for x in range(6) for y in range(4)))
    assert 50 < pixels(tiny) < 100
    assert 50 < pixels(huge) < 100


def test_a_series_that_is_missing_says_unknown_and_never_off() -> None:
    by_name = {each["name"]: each for each in canvas_elements(canvas_panel(make_rack((0, 0, 1))))}
    assert by_name["state-01-1"]["config"]["text"] == {
        "mode": "field",
        "field": "01-1",
        "fixed": "UNKNOWN",
    }
    assert by_name["power-01"]["config"]["text"]["fixed"] == "?"
