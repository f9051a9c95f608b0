"""Operations per second of a history."""

import json
from pathlib import Path

from cli.experiments.rates import HistoryRates


def operation(outcome: str, seconds: float) -> str:
    return json.dumps({"type": outcome, "f": "add", "time": int(seconds * 1e9)}) + "\n"


def rate(second: int, ok: int = 0, fail: int = 0, info: int = 0) -> dict[str, int]:
    return {"second": second, "ok": ok, "fail": fail, "info": info}


def test_rates_count_outcomes_on_the_clock_of_the_controller(tmp_path: Path) -> None:
    history = tmp_path / "history.jsonl"
    rates = HistoryRates(history, origin=100.5)
    assert rates.take_changes() == []
    outcomes = [("invoke", 0.1), ("ok", 0.2), ("ok", 0.6), ("fail", 0.7), ("info", 2.0)]
    history.write_text("".join(operation(*outcome) for outcome in outcomes))
    assert rates.take_changes() == [rate(100, ok=1), rate(101, ok=1, fail=1), rate(102, info=1)]
    assert rates.take_changes() == []
    assert rates.totals == {"ok": 2, "fail": 1, "info": 1}


def test_second_that_grows_is_sent_again_as_a_whole(tmp_path: Path) -> None:
    history = tmp_path / "history.jsonl"
    rates = HistoryRates(history, origin=0.0)
    history.write_text(operation("ok", 0.1))
    assert rates.take_changes() == [rate(0, ok=1)]
    with history.open("a") as file:
        file.write(operation("ok", 0.2) + '{"type": "ok", "ti')
    assert rates.take_changes() == [rate(0, ok=2)]
    with history.open("a") as file:
        file.write('me": 1}\n')
    assert rates.take_changes() == [rate(0, ok=3)]


def test_rates_that_could_not_be_sent_are_returned_again(tmp_path: Path) -> None:
    history = tmp_path / "history.jsonl"
    rates = HistoryRates(history, origin=0.0)
    history.write_text(operation("ok", 0.1))
    rates.return_changes(rates.take_changes())
    assert rates.take_changes() == [rate(0, ok=1)]


def test_lines_that_are_no_operations_are_not_counted(tmp_path: Path) -> None:
    history = tmp_path / "history.jsonl"
    history.write_text(
        'text\n[]\n{"type": "ok"}\n{"type": "ok", "time": 1e999}\n{"type": ["ok"], "time": 1}\n'
        '{"type": "ok", "time": -1}\n{"type": "ok", "time": true}\n' + "[" * 100_000 + "\n"
    )
    rates = HistoryRates(history, origin=0.0)
    assert rates.take_changes() == []
    assert not rates.totals
