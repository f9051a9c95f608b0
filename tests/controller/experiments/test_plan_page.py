"""Tests of docs/reference/experiment-plan.md."""

import re
from pathlib import Path

import pytest

from controller.errors import PlanError
from controller.experiments.plan import POWER_KINDS
from controller.experiments.plan_file import PlanFile
from rack.settings import markdown_rows
from tests.controller.experiments.plans import make_plan
from tests.controller.experiments.test_wrong_plans import WRONG_PLANS

PAGE = Path("docs/reference/experiment-plan.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)


def first_cells(heading: str) -> list[str]:
    """Return the first column of the table with this heading."""
    [table] = re.findall(rf"^\| {heading} \|.*\n\| ---.*\n((?:\|.*\n)+)", PAGE, re.MULTILINE)
    return [row.split(" | ")[0].removeprefix("| ") for row in table.splitlines()]


def code_spans(cells: list[str]) -> list[str]:
    return [span.strip('"') for cell in cells for span in re.findall(r"`([^`]*)`", cell)]


def test_table_of_keys_is_generated_from_their_models() -> None:
    [table] = re.findall(
        r"<!-- settings:.* -->\n.*\n.*\n((?:.|\n)*)\n<!-- end of settings -->", PAGE
    )
    assert table.splitlines() == list(markdown_rows(PlanFile))


@pytest.mark.parametrize("text", EXAMPLES, ids=range(len(EXAMPLES)))
def test_example_is_a_valid_plan(text: str) -> None:
    assert make_plan(text).stacks == (1, 2, 3)


@pytest.mark.parametrize("nodes", code_spans(first_cells("`nodes`")))
def test_documented_selection_of_nodes_selects_rasps(nodes: str) -> None:
    assert make_plan(f'nodes = "{nodes}"').nodes


@pytest.mark.parametrize("pick", code_spans(first_cells("`pick`")))
def test_documented_pick_selects_rasps(pick: str) -> None:
    fault = f'[[fault]]\nkind = "reboot"\npick = "{pick}"\nat = "1 s"'
    assert all(fault.rasps for fault in make_plan(f'nodes = "4 stacks"\n{fault}').faults)


@pytest.mark.parametrize("kind", code_spans(first_cells("`kind`")))
def test_documented_kind_is_a_fault(kind: str) -> None:
    off = 'off = "1 s"' if kind in POWER_KINDS else ""
    action = 'action = "kill_raft"' if kind == "action" else ""
    fault = f'[[fault]]\nkind = "{kind}"\npick = "03-2"\nat = "1 s"\n{off}{action}'
    assert make_plan(f'nodes = "3 stacks"\n{fault}').faults[0].kind == kind


def test_documented_errors_are_real() -> None:
    errors = []
    for text in WRONG_PLANS:
        with pytest.raises(PlanError) as raised:
            make_plan(text)
        errors.append(str(raised.value))
    documented = re.findall(r"^raft\.toml: .*$", PAGE, re.MULTILINE)
    assert documented
    assert set(documented) <= set(errors)
