"""Queries and variables of a dashboard, without a browser."""

from collections.abc import Mapping
from typing import Any

from tools.dashboard_pictures.pictures import pictures_of
from tools.dashboard_pictures.queries import (
    RecordedQuery,
    VariableSelection,
    annotation_queries,
    panel_queries,
    selections_of,
    start_times,
    variables_of,
)

STATES: list[tuple[Mapping[str, str], int]] = [
    ({"rack": "r", "stack": "01", "slot": "1", "rasp": "01-1"}, 1),
    ({"rack": "r", "stack": "01", "slot": "2", "rasp": "01-2"}, 1),
    ({"rack": "r", "stack": "02", "slot": "1", "rasp": "02-1"}, 3),
]
UP = VariableSelection("up", {"rack": "r", "stack": "01", "rasp": "01-1"})
HOT = VariableSelection("hot", {"rack": "r", "stack": "02", "rasp": "02-1"})


def dashboard(*variables: str, **others: Any) -> dict[str, Any]:
    values = [{"name": name, "current": {"value": "current"}} for name in variables]
    return {"uid": "d", "templating": {"list": values}, **others}


def test_dashboard_of_a_stack_is_drawn_for_a_rasp_of_each_state() -> None:
    assert selections_of(dashboard("rack", "stack"), STATES) == [HOT, UP]


def test_dashboard_of_a_rack_is_drawn_once() -> None:
    assert selections_of(dashboard("rack"), STATES) == [VariableSelection("", UP.values)]


def test_first_selection_has_all_widths_and_the_others_have_one() -> None:
    names = [picture.name for picture in pictures_of(dashboard("rack", "stack"), STATES)]
    assert {"d-hot-1920-dark", "d-hot-docked-light", "d-hot-phone-dark"} <= set(names)
    assert [name for name in names if "-up-" in name] == ["d-up-1280-dark", "d-up-1280-light"]


def test_selection_replaces_current_values_of_the_variables_of_the_dashboard() -> None:
    variables = variables_of(dashboard("rack", "controller"), HOT)
    assert variables["rack"] == "r"
    assert variables["controller"] == "current"
    assert "rasp" not in variables


def test_queries_have_values_instead_of_variables() -> None:
    expression = 'label_replace(up{rack="$rack"}, "a", "$1", "b", ".*")'
    targets = [
        {"refId": "A", "expr": expression, "instant": True},
        {"refId": "B", "expr": "rate(x[${__rate_interval}])", "instant": False},
    ]
    variables = {"rack": "r", "__rate_interval": "20s"}
    assert panel_queries({"targets": targets}, variables) == [
        RecordedQuery("A", 'label_replace(up{rack="r"}, "a", "$1", "b", ".*")', is_range=False),
        RecordedQuery("B", "rate(x[20s])", is_range=True),
    ]


def test_annotations_are_queried_in_the_time_range() -> None:
    annotations = {"list": [{"name": "Boots", "target": {"expr": "boots"}}]}
    assert list(annotation_queries(dashboard(annotations=annotations), {})) == [
        RecordedQuery("Boots", "boots", is_range=True)
    ]


def test_adjacent_samples_of_an_annotation_are_one_event() -> None:
    first = {"values": [[100, "1"], [115, "1"], [130, "0"], [160, "1"]]}
    second = {"values": [[145, "1"]]}
    assert start_times([first, second]) == [100, 145, 160]
