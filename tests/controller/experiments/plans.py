"""A rack, its actions, and plans on them."""

from collections.abc import Sequence
from pathlib import Path

from controller.experiments.expansion import RackContext, expand
from controller.experiments.plan import Plan
from controller.experiments.plan_file import parse_plan_file
from controller.orders.actions import Actions
from exporter import aliases
from rack.layout import Rack
from rack.layout_file import parse
from tests.helpers.layouts import layout_text

RACK = parse(layout_text(6))
ACTIONS = """
[actions]
kill_raft = true
start_raft = true
stop_raft = true
"""
REBOOT_AND_SHUTDOWN = """
reboot = sudo reboot
shutdown = sudo shutdown -h now
"""


def make_plan(
    text: str,
    seed: int = 7,
    *,
    reserved: Sequence[int] | None = None,
    file: str = "raft.toml",
    actions: str = ACTIONS + REBOOT_AND_SHUTDOWN,
    rack: Rack = RACK,
) -> Plan:
    """Return the plan of a plan file.

    Args:
        text: Content of the file.
        seed: Seed of all choices.
        reserved: Reserved stacks, or None for a plan without a reservation.
        file: Name of the file.
        actions: Text of aliases.ini.
        rack: Layout of the rack.
    """
    available = Actions(aliases.parse(actions, Path("aliases.ini"))).for_rasps
    stacks = range(1, len(rack.stacks) + 1)
    context = RackContext(rack, available, reserved or stacks, reserved)
    return expand(parse_plan_file(text, file), file, seed, context)
