"""Tests of the EDN export. An independent reader reads what is written."""

import json
from typing import Any

import edn_format
import pytest
from edn_format import Keyword

from cli.experiments.edn import to_edn
from cli.experiments.history import parse_history
from tests.cli.experiments.planted_histories import planted_history


def exported(**fields: Any) -> Any:
    line = {"index": 0, "type": "invoke", "process": 3, "f": "add", "value": None, "time": 17}
    [text] = to_edn(parse_history([json.dumps(line | fields).encode()]))
    assert text.endswith("}\n")
    return edn_format.loads(text.encode("utf-8", errors="backslashreplace").decode())


def test_operation_is_a_map_with_keywords() -> None:
    [text] = to_edn(
        parse_history([b'{"type": "invoke", "process": 3, "f": "add", "value": 5, "time": 17}'])
    )
    assert text == "{:index 0, :type :invoke, :process 3, :f :add, :value 5, :time 17}\n"


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        0,
        -7,
        2**63 - 1,
        10**30,
        1.5,
        -1e300,
        "",
        'a "quoted" \\ line\nü 漢 😀 \x00\x07\x7f',
        [1, [2, []], "x"],
        {"a": {"b": [1]}, ":c d": None},
    ],
)
def test_value_is_read_back(value: Any) -> None:
    operation = exported(value=value)
    read = operation[Keyword("value")]
    assert read == value
    assert isinstance(read, bool) == isinstance(value, bool)


def test_infinite_number_is_read_back() -> None:
    text = b'{"type": "invoke", "process": 3, "f": "add", "value": [1e999, -1e999], "time": 17}'
    [line] = to_edn(parse_history([text]))
    assert edn_format.loads(line)[Keyword("value")] == [float("inf"), float("-inf")]


def test_other_fields_are_exported() -> None:
    assert exported(error="timed out", node="03-1")[Keyword("error")] == "timed out"


def test_functions_of_transactions_are_keywords() -> None:
    operation = exported(f="txn", value=[["append", 5, 1], ["r", 5, None], "odd", []])
    assert operation[Keyword("value")] == [
        [Keyword("append"), 5, 1],
        [Keyword("r"), 5, None],
        "odd",
        [],
    ]


def test_whole_history_is_read_back() -> None:
    lines = planted_history(0).lines
    read = [edn_format.loads(line) for line in to_edn(parse_history(lines))]
    assert len(read) > 20
    for operation, line in zip(read, lines, strict=True):
        fields = json.loads(line)
        names = ("type", "f")
        assert {name: operation[Keyword(name)] for name in fields} == {
            name: Keyword(value) if name in names else value for name, value in fields.items()
        }
