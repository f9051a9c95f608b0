"""Run the test suite several times under a fixed load, and count the failures of each test.

    python -m bench.suite_under_load --runs 5 --busy-loops 2

Prints the duration and the load average of each run, and exits with 1 if a test failed.
"""

import argparse
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from xml.etree import ElementTree

ROOT = Path(__file__).parents[1]
MAX_RUN_SECONDS = 3600.0
STOP_SECONDS = 60.0
BUSY_LOOP = "import os\nparent = os.getppid()\nwhile os.getppid() == parent: pass"


def main() -> int:
    """Run the suite. Return 1 if a run failed."""
    parser = argparse.ArgumentParser(description="Run the test suite several times under load.")
    parser.add_argument("--runs", type=int, default=5, metavar="N")
    parser.add_argument("--busy-loops", type=int, default=2, metavar="N", help="0: at rest")
    parser.add_argument(
        "pytest", nargs="*", help="arguments of pytest; default: those of make test"
    )
    arguments = parser.parse_args()
    pytest_arguments = arguments.pytest or [
        *("-n", "8", "--dist", "loadfile", "-p", "tests.helpers.files_in_memory"),
        *("--override-ini", "tmp_path_retention_policy=failed"),
    ]
    failures: Counter[str] = Counter()
    failed_runs = 0
    with busy_loops(arguments.busy_loops):
        for run in range(1, arguments.runs + 1):
            started = time.monotonic()
            is_green, failed_tests = run_suite(pytest_arguments)
            minutes, seconds = divmod(round(time.monotonic() - started), 60)
            _print(
                f"run {run}: {len(failed_tests)} failed, {minutes} min {seconds:02} s,"
                f" load average {os.getloadavg()[1]:.1f}"
            )
            failures.update(failed_tests)
            failed_runs += not is_green
    for test, count in failures.most_common():
        _print(f"{count} of {arguments.runs}: {test}")
    _print(f"{failed_runs} of {arguments.runs} runs failed")
    return int(failed_runs > 0)


@contextmanager
def busy_loops(count: int) -> Iterator[None]:
    """Run processes that each use a core. They also end if this process is killed."""
    processes = [subprocess.Popen([sys.executable, "-c", BUSY_LOOP]) for _ in range(count)]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


def run_suite(arguments: list[str]) -> tuple[bool, list[str]]:
    """Run pytest. Return whether it succeeded without warnings, and the tests that failed."""
    with TemporaryDirectory() as folder:
        report, output = Path(folder, "report.xml"), Path(folder, "output")
        with output.open("w") as file:
            process = subprocess.Popen(
                [sys.executable, "-m", "pytest", "-q", f"--junit-xml={report}", *arguments],
                cwd=ROOT,
                stdout=file,
                stderr=subprocess.STDOUT,
            )
            try:
                status = process.wait(MAX_RUN_SECONDS)
            except BaseException as error:
                process.terminate()  # pytest ends its workers and fixtures
                process.wait(STOP_SECONDS)
                if not isinstance(error, subprocess.TimeoutExpired):
                    raise
                return False, [f"the run took longer than {MAX_RUN_SECONDS:.0f} s"]
        text = output.read_text(errors="replace")
        failed = failed_tests(report) if report.exists() else []
        is_clean = "Traceback" not in text and "Warning" not in text
        if status != 0 or not is_clean:
            _print(text)
        return status == 0 and is_clean, failed


def _print(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def failed_tests(report: Path) -> list[str]:
    """Return the names of the tests with a failure or an error in a JUnit report."""
    return sorted(
        {
            f"{case.get('classname')}::{case.get('name')}"
            for case in ElementTree.parse(report).iter("testcase")  # noqa: S314 - written by pytest
            if case.find("failure") is not None or case.find("error") is not None
        }
    )


if __name__ == "__main__":
    sys.exit(main())
