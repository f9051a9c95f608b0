"""What stands in systemd's units."""

import re


def exec_start(unit: str) -> list[str]:
    """The words of a unit's last ExecStart."""
    whole = re.sub(r"\\\n\s*", " ", unit)
    line: str = re.findall(r"^ExecStart=(.+)$", whole, re.MULTILINE)[-1]
    return line.split()
