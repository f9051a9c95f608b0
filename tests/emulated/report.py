"""Collect what `make emulated` has measured."""

from tests.emulated.cache import CACHE

REPORT = CACHE / "report.txt"


def report(line: str) -> None:
    """Add a line to the report."""
    with REPORT.open("a", encoding="utf-8") as file:
        file.write(f"{line}\n")
