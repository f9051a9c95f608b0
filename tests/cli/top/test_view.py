"""The screen of `pirack top`."""

from datetime import datetime
from io import StringIO

import pytest
from rich.console import Console
from rich.screen import Screen

from cli.models import ApiRasp, decode
from cli.top.usage import UsageHistory, sort_rasps
from cli.top.view import TopView
from controller.state.model import RaspOperation
from controller.web.rasp_schemas import RaspResponse
from tests.controller.fakes import RACK, FakeRackState

NOW = datetime(2026, 11, 29, 8, 2, 11)


def rasps_of(rack_state: FakeRackState) -> list[ApiRasp]:
    return [
        decode(ApiRasp, RaspResponse.of(rasp).model_dump(mode="json"))
        for rasp in rack_state.read().rasps
    ]


@pytest.fixture
def rack_state() -> FakeRackState:
    state = FakeRackState(RACK)
    state.temperatures = {slot.name: 40.0 + slot.id for slot in RACK.slots}
    state.cpu_busy_cores = {"03-2": 3.1, "05-1": 0.25}
    state.memory_available = {"07-1": 1e8, "05-1": 6e8}
    state.state_values["12-4"] = 0.0
    return state


@pytest.fixture
def view(rack_state: FakeRackState) -> TopView:
    view = TopView("temperature")
    view.update(rasps_of(rack_state), NOW)
    return view


def screen(view: TopView, width: int = 80, height: int = 24) -> list[str]:
    output = StringIO()
    Console(file=output, width=width, height=height).print(Screen(view), end="")
    lines = output.getvalue().split("\n")
    assert len(lines) == height
    assert max(map(len, lines)) <= width
    return [line.rstrip() for line in lines]


def shown_names(lines: list[str]) -> list[str]:
    return [line.split()[0] for line in lines[3:-1] if line]


def test_rasps_are_sorted_by_the_metric_with_unknown_values_last(rack_state: FakeRackState) -> None:
    rasps = rasps_of(rack_state)
    names = {
        sort: [rasp.name for rasp in sort_rasps(rasps, sort)]
        for sort in ("temperature", "cpu", "memory")
    }
    assert names["temperature"][:2] == ["12-3", "12-2"]
    assert names["temperature"][-1] == "12-4"  # it is down, so its last value is not shown
    assert names["cpu"][:3] == ["03-2", "05-1", "01-1"]
    assert names["memory"][:3] == ["07-1", "05-1", "01-1"]


def test_rasp_in_an_order_has_its_operation_instead_of_its_state(
    view: TopView, rack_state: FakeRackState
) -> None:
    rack_state.operations = {48: RaspOperation.BOOTING}
    view.update(rasps_of(rack_state), NOW)
    lines = screen(view, height=60)
    assert lines[0].startswith("48 rasps: 47 up, 1 booting; hottest 12-3, 87 °C")
    assert ["12-4", "booting"] in [line.split()[:2] for line in lines]


def test_screen_of_80_columns_shows_the_hottest_rasps_and_the_keys(view: TopView) -> None:
    lines = screen(view)
    assert lines[0].startswith("48 rasps: 47 up, 1 down; hottest 12-3, 87 °C")
    assert lines[0].endswith("08:02:11")
    assert lines[2].split() == [
        *("RASP", "STATE", "TEMP", "CPU", "MEMORY", "LOAD", "UPTIME", "TREND"),
    ]
    assert shown_names(lines)[:2] == ["12-3", "12-2"]
    assert len(shown_names(lines)) == 20
    assert lines[-1].split() == [
        *("t", "temperature", "c", "CPU", "m", "memory", "↑↓", "scroll", "q", "quit"),
        *("1-20", "of", "48"),
    ]


def test_values_have_units_and_unknown_values_are_dashes(view: TopView) -> None:
    view.press("c", 24)
    lines = screen(view)
    assert lines[3].split()[:7] == ["03-2", "up", "50", "°C", "3.10", "cores", "-"]
    view.press("m", 24)
    assert screen(view)[3].split()[:7] == ["07-1", "up", "65", "°C", "-", "90", "%"]


def test_keys_scroll_to_the_last_rasp_and_no_further(view: TopView) -> None:
    view.press("down", 24)
    assert screen(view)[-1].endswith("2-21 of 48")
    for _ in range(3):
        view.press("page down", 24)
    assert screen(view)[-1].endswith("29-48 of 48")
    assert shown_names(screen(view))[-1] == "12-4"
    view.press("c", 24)
    assert screen(view)[-1].endswith("1-20 of 48")


@pytest.mark.parametrize(("width", "height"), [(40, 10), (80, 24), (200, 60), (20, 5)])
def test_screen_fits_into_terminals_of_other_sizes(view: TopView, width: int, height: int) -> None:
    view.press("page down", 24)
    assert shown_names(screen(view, width, height))


def test_values_are_marked_as_outdated_after_an_error(
    view: TopView, rack_state: FakeRackState
) -> None:
    view.fail("the controller failed")
    lines = screen(view)
    assert lines[1] == "outdated: the controller failed"
    assert lines[0].endswith("08:02:11")
    view.update(rasps_of(rack_state), NOW.replace(second=13))
    assert screen(view)[1] == ""
    assert screen(view)[0].endswith("08:02:13")


def test_trend_shows_the_latest_values_and_gaps_for_unknown_ones(
    rack_state: FakeRackState,
) -> None:
    history = UsageHistory()
    for celsius in (30.0, 57.0, None, 85.0, 20.0):
        rack_state.temperatures = {} if celsius is None else {"03-2": celsius}
        history.add(rasps_of(rack_state))
    assert history.sparkline("03-2", "temperature", 10) == "▁▄ █▁"
    assert history.sparkline("03-2", "temperature", 2) == "█▁"
    assert history.sparkline("03-2", "temperature", -1) == ""
    assert history.sparkline("01-1", "cpu", 1) == " "
