"""Tests of the format of histories."""

import json
from pathlib import Path
from typing import Any

import pytest

from cli.experiments.history import HistoryError, Operation, parse_history, read_history


def line(**changes: Any) -> bytes:
    fields = {"index": 0, "type": "invoke", "process": 0, "f": "add", "value": 1, "time": 5}
    return json.dumps(fields | changes).encode() + b"\n"


def without(key: str) -> bytes:
    fields = json.loads(line())
    del fields[key]
    return json.dumps(fields).encode() + b"\n"


def test_outcome_has_its_invocation_and_other_fields_are_kept() -> None:
    invoke, ok = parse_history([line(), line(index=1, type="ok", time=9, node="03-1")])
    assert invoke == Operation(0, "invoke", 0, "add", 1, 5)
    assert ok == Operation(1, "ok", 0, "add", 1, 9, {"node": "03-1"}, invoke)


def test_lines_are_numbered_if_the_client_does_not_number_them() -> None:
    lines = [without("index"), line(index=7, type="ok"), without("index")]
    assert [operation.index for operation in parse_history(lines)] == [0, 7, 8]


def test_process_that_crashed_continues_with_another_number() -> None:
    lines = [line(), line(index=1, type="info"), line(index=2, process=8, value=2)]
    assert [operation.process for operation in parse_history(lines)] == [0, 0, 8]


def test_last_line_may_lack_its_line_end() -> None:
    assert len(list(parse_history([line().rstrip()]))) == 1


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        ([b"{\n"], "line 1: not JSON in UTF-8: write one JSON object a line"),
        ([line(), line()[:30]], "line 2: cut off: the client ended while it wrote this line"),
        ([b"[1]\n"], "line 1: [1] is not an operation"),
        ([b"\n"], "line 1: not JSON"),
        ([b'{"type": "\xff"}\n'], "line 1: not JSON in UTF-8"),
        ([line(value=float("nan"))], "line 1: not JSON"),
        ([b"[" * 100_000 + b"\n"], "line 1: not JSON"),
        ([line(value=1).replace(b'"value": 1', b'"value": ' + b"9" * 5000)], "line 1: not JSON"),
        ([without("process")], "line 1: process is missing"),
        ([line(type="done")], "line 1: type is 'done': write invoke, ok, fail or info"),
        ([line(type=["ok"])], "line 1: type is ['ok']"),
        ([line(process="nemesis")], "line 1: process is 'nemesis': write an integer"),
        ([line(time=1.5)], "line 1: time is 1.5: write an integer"),
        ([line(time=-1)], "line 1: time is -1"),
        ([line(time=True)], "line 1: time is True"),
        ([line(f="drop table")], "line 1: f is 'drop table': write a name"),
        ([line(**{"a b": 1})], "line 1: a key is 'a b': write a name"),
        ([line(index=3), line(index=3, type="ok")], "line 2: index is 3, expected 4 or more"),
        ([line(type="ok")], "line 1: process 0 has not invoked this"),
        ([line(), line(index=1, f="read", type="ok")], "line 2: process 0 invoked add"),
        ([line(), line(index=1)], "line 2: process 0 invokes before its last operation has ended"),
        (
            [line(), line(index=1, type="info"), line(index=2)],
            "line 3: process 0 invokes after an info: use a new process number",
        ),
    ],
)
def test_malformed_line_is_reported_with_its_number_and_a_fix(
    lines: list[bytes], problem: str
) -> None:
    with pytest.raises(HistoryError) as caught:
        list(parse_history(lines, "history.jsonl"))
    assert str(caught.value).startswith(f"history.jsonl {problem}")
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300


def test_missing_file_is_reported_with_a_fix(tmp_path: Path) -> None:
    with pytest.raises(HistoryError) as caught:
        list(read_history(tmp_path / "history.jsonl"))
    assert str(caught.value) == (
        "history.jsonl: No such file or directory: let the client write the file {history}"
    )


def test_long_line_is_not_read_into_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cli.experiments.history.MAX_LINE_BYTES", 100)
    (tmp_path / "history.jsonl").write_bytes(line() + b" " * 10_000)
    with pytest.raises(HistoryError, match="line 2: longer than"):
        list(read_history(tmp_path / "history.jsonl"))


def test_number_of_operations_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cli.experiments.history.MAX_OPERATIONS", 2)
    lines = [line(index=number, process=number, value=number) for number in range(3)]
    assert len(list(parse_history(lines[:2]))) == 2
    with pytest.raises(HistoryError, match="more than 2 lines"):
        list(parse_history(lines))
