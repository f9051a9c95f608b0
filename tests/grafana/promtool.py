"""Check and evaluate expressions of dashboards with promtool."""

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import yaml

from tests.helpers.waiting import TIMEOUT_SECONDS
from tools.programs import find

EVALUATION_TIME = "5m"

# Samples such as `{rasp="01-2"} 3`.
Samples = Sequence[str]


def assert_results(
    folder: Path, series: Mapping[str, str], expected: Mapping[str, Samples]
) -> None:
    """Assert the samples of each expression after five minutes of the given series."""
    checks = [
        {
            "expr": expression,
            "eval_time": EVALUATION_TIME,
            "exp_samples": [
                {"labels": sample.rpartition(" ")[0], "value": float(sample.rpartition(" ")[2])}
                for sample in samples
            ],
        }
        for expression, samples in expected.items()
    ]
    test = {
        "interval": "10s",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "promql_expr_test": checks,
    }
    file = folder / "expressions.yml"
    file.write_text(yaml.safe_dump({"rule_files": [], "tests": [test]}))
    tested = run_promtool("test", "rules", file)
    assert tested.returncode == 0, tested.stdout


def run_promtool(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run promtool. Its messages are in the standard output."""
    promtool = find("promtool")
    return subprocess.run(
        [promtool.path, *arguments],
        env=promtool.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=TIMEOUT_SECONDS,
        check=False,
    )
