"""Tests of the check `set`."""

import json
from collections import Counter
from typing import Any

import pytest

from cli.experiments.history import HistoryError, parse_history
from cli.experiments.set_check import AcknowledgedWrite, SetResult, check, intervals
from tests.cli.experiments.planted_histories import planted_history

HISTORIES = 1_000


def result_of(*operations: tuple[str, int, str, Any]) -> SetResult:
    lines = [
        json.dumps(
            {"type": kind, "process": process, "f": f, "value": value, "time": time}
        ).encode()
        for time, (kind, process, f, value) in enumerate(operations)
    ]
    return check(parse_history(lines))


def added(value: int, outcome: str = "ok", process: int | None = None) -> list[Any]:
    process = value if process is None else process
    return [("invoke", process, "add", value), (outcome, process, "add", value)]


def read(*elements: object) -> list[Any]:
    return [("invoke", 999, "read", None), ("ok", 999, "read", list(elements))]


def test_check_finds_exactly_what_was_planted_in_1000_histories() -> None:
    verdicts: Counter[str] = Counter()
    for seed in range(HISTORIES):
        planted = planted_history(seed)
        result = check(parse_history(planted.lines))
        assert {write.value for write in result.lost} == planted.lost, seed
        assert set(result.duplicated) == planted.duplicated, seed
        assert set(result.invented) == planted.invented, seed
        assert set(result.failed_but_present) == planted.failed_but_present, seed
        assert set(result.recovered) == planted.recovered, seed
        assert result.acknowledged == len(planted.acknowledged), seed
        assert result.verdict == planted.verdict, seed
        verdicts[result.verdict] += 1
    assert min(verdicts[verdict] for verdict in ("ok", "lost", "failed", "unknown")) > 20


def test_store_that_returns_all_acknowledged_writes_is_ok() -> None:
    result = result_of(*added(1), *added(2), *read(2, 1))
    assert (result.verdict, result.acknowledged, result.attempted) == ("ok", 2, 2)


def test_lost_writes_are_sorted_by_the_time_of_their_acknowledgement() -> None:
    result = result_of(*added(7), *added(3), *added(5), *read(3))
    assert result.verdict == "lost"
    assert result.lost == (AcknowledgedWrite(7, 1), AcknowledgedWrite(5, 5))


def test_write_with_unknown_outcome_may_be_there_or_not() -> None:
    result = result_of(*added(1), *added(2, "info"), *added(3, "info"), *read(1, 3))
    assert (result.verdict, result.recovered) == ("ok", (3,))


def test_element_whose_add_failed_is_a_violation() -> None:
    result = result_of(*added(1), *added(2, "fail"), *read(1, 2))
    assert (result.verdict, result.failed_but_present) == ("failed", (2,))


def test_last_read_that_succeeded_counts() -> None:
    failed_read = [("invoke", 998, "read", None), ("fail", 998, "read", None)]
    assert result_of(*read(), *added(1), *read(1), *failed_read).verdict == "ok"


@pytest.mark.parametrize(
    ("operations", "reason"),
    [
        (added(1), "the history has no read that succeeded"),
        ([*added(1), ("invoke", 2, "read", None)], "the history has no read that succeeded"),
        ([*added(1, "fail"), *read()], "no write was acknowledged"),
        (
            [*added(1), *read(1), *added(2)],
            "writes that were acknowledged after the final read began: 1",
        ),
        ([], "the history has no read that succeeded"),
    ],
)
def test_history_that_cannot_show_a_loss_is_unknown(operations: list[Any], reason: str) -> None:
    result = result_of(*operations)
    assert result.verdict == "unknown"
    assert result.reason.startswith(reason)


def test_write_that_the_final_read_overtook_counts_if_it_is_there() -> None:
    start, end = added(2)
    assert result_of(*added(1), start, read(1, 2)[0], end, read(1, 2)[1]).verdict == "ok"
    assert result_of(*added(1), start, read(1)[0], end, read(1)[1]).verdict == "unknown"
    assert result_of(*added(1), start, read()[0], end, read()[1]).verdict == "lost"


@pytest.mark.parametrize(
    ("operations", "problem"),
    [
        ([*added(1), *added(1, process=2)], "add with index 2: 1 is added again"),
        ([("invoke", 0, "add", 1), ("ok", 0, "add", 2)], "add with index 1: value is 2"),
        ([("invoke", 0, "add", "1")], "add with index 0: '1' is not an integer of 64 bits"),
        ([("invoke", 0, "add", True)], "add with index 0: 'True' is not an integer"),
        ([("invoke", 0, "add", 2**63)], "is not an integer of 64 bits"),
        ([("invoke", 0, "read", None), ("ok", 0, "read", 3)], "read with index 1: the value of a"),
        ([*added(1), *read(1, 1.0)], "read with index 3: '1.0' is not an integer"),
    ],
)
def test_history_that_is_not_of_a_set_is_an_error(operations: list[Any], problem: str) -> None:
    with pytest.raises(HistoryError) as caught:
        result_of(*operations)
    assert problem in str(caught.value)


def test_statistics_are_bounded_whatever_was_lost() -> None:
    operations = [operation for value in range(0, 4000, 2) for operation in added(value)]
    statistics = result_of(*operations, *read()).statistics()
    assert statistics["lost"] == statistics["acknowledged"] == 2000
    assert len(json.dumps(statistics)) < 1000
    assert statistics["lost_elements"].startswith("0 2 4 ")
    assert statistics["lost_elements"].endswith(" …")


def test_intervals_are_sorted_and_joined() -> None:
    assert intervals([3, 9, 1, 2, 7, 8]) == "1..3 7..9"
    assert intervals([5]) == "5"
    assert intervals([]) == ""
