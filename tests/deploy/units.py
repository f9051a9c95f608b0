"""Parse systemd units."""

import re


def exec_start(unit: str) -> list[str]:
    """Return the last ExecStart command of a unit."""
    text = re.sub(r"\\\n\s*", " ", unit)
    line: str = re.findall(r"^ExecStart=(.+)$", text, re.MULTILINE)[-1]
    return line.split()
