"""Tests of the grouping and of the text of order results."""

from controller.orders.model import Order, OrderRequest, OrderState, Reading, Result, TargetResult
from controller.pages.order_results import ResultGroup, group_results, order_text


def rasp(name: str, result: Result | None = Result.OK, **fields: object) -> TargetResult:
    return TargetResult("rasp", name, int(name[-1]), result, **fields)  # type: ignore[arg-type]


def names(groups: list[ResultGroup]) -> list[list[str]]:
    return [[result.target for result in group.results] for group in groups]


def test_equal_results_are_grouped_and_failures_come_first() -> None:
    groups = group_results(
        [
            rasp("03-1", output="no warnings\n"),
            rasp("03-2", Result.FAILED, detail="no response in 10 s"),
            rasp("03-3", output="no warnings\n"),
            rasp("03-4", Result.UNKNOWN, detail="interrupted"),
            rasp("04-1", output="hot\n"),
            rasp("04-2", Result.FAILED, detail="no response in 10 s"),
        ]
    )
    assert names(groups) == [["03-2", "04-2"], ["03-4"], ["03-1", "03-3"], ["04-1"]]


def test_results_in_progress_come_before_pending_and_finished_ones() -> None:
    groups = group_results(
        [rasp("03-1"), rasp("03-2", None), rasp("03-3", None, stage="shutting down")]
    )
    assert names(groups) == [["03-3"], ["03-2"], ["03-1"]]


def test_different_outputs_or_readings_are_not_grouped() -> None:
    nan = Reading({"core": "0"}, float("nan"))
    groups = group_results(
        [
            rasp("03-1", readings=(nan,)),
            rasp("03-2", readings=(Reading({"core": "0"}, 48.5),)),
            rasp("03-3", readings=(Reading({"core": "1"}, 48.5),)),
            rasp("03-4", readings=(Reading({"core": "0"}, float("nan")),)),
            rasp("04-1", output="a"),
            rasp("04-2", output="b"),
        ]
    )
    assert names(groups) == [["03-1", "03-4"], ["03-2"], ["03-3"], ["04-1"], ["04-2"]]


def test_short_output_of_one_line_is_shown_inline() -> None:
    [group] = group_results([rasp("03-1", output="\nup 3 days\n")])
    assert (group.first_line, group.is_one_line) == ("up 3 days", True)
    [group] = group_results([rasp("03-1", output="first\nsecond\n")])
    assert (group.first_line, group.is_one_line) == ("first", False)
    [group] = group_results([rasp("03-1", output="x" * 200)])
    assert (len(group.first_line), group.is_one_line) == (120, False)
    [group] = group_results([rasp("03-1")])
    assert (group.first_line, group.is_one_line) == ("", False)


def test_text_contains_all_results_and_no_control_characters() -> None:
    order = Order(
        id=12,
        request=OrderRequest("uptime", "rasps", (9, 10, 11)),
        targets=("03-1", "03-2", "03-3"),
        actor="otto",
        client_address="",
        started_at=0.0,
        state=OrderState.DONE,
        finished_at=2.0,
        results=(
            rasp("03-1", output="up 3 days\n\tload 0.5\n"),
            rasp("03-2", Result.FAILED, detail="no response\x1b[2J"),
            rasp("03-3", output="up 3 days\n\tload 0.5\n"),
            TargetResult("stack", "04", 4, Result.OK, readings=(Reading({"core": "0"}, 48.5),)),
        ),
    )
    head, *lines = order_text(order).splitlines()
    assert head.startswith("order 12: uptime, failed, by otto, 19")
    assert lines == [
        "",
        "03-2: failed: no response\ufffd[2J",
        "",
        "03-1, 03-3: ok",
        "    up 3 days",
        "            load 0.5",
        "",
        "stack 04: ok",
        "    core=0 48.5",
    ]
