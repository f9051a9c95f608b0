"""Parts of a rack.toml whose rasps are powered by the ports of a PoE switch."""

from collections.abc import Sequence
from pathlib import Path

from tests.helpers.layouts import Keys
from tests.helpers.waiting import free_port

COMMUNITY = "private-test"
PATIENT = "timeout_seconds = 60\n"
"""Setting of a power source whose device does not always reply in time on a busy machine."""


def poe_table(folder: Path) -> str:
    """Return the table of the power source `poe`, a virtual switch at a free port."""
    secret = folder / "community"
    secret.write_text(COMMUNITY)
    secret.chmod(0o600)
    return (
        f'[power.poe]\ndriver = "snmp"\nhost = "127.0.0.1"\nport = {free_port()}\n'
        f'community_file = "{secret}"\n'
    )


def poe_stacks(count: int, slots: int) -> Sequence[Keys]:
    """Return stacks in one row, each slot of which has a port: `poe:1` is that of 01-1."""
    return [
        {
            "outlets": [f"poe:{slots * stack + slot}" for slot in range(1, slots + 1)],
            "slots": slots,
            "x": stack,
            "y": 0,
        }
        for stack in range(count)
    ]
