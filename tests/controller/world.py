"""A rack that is as a test says."""

from pathlib import Path

from controller.decide import STATE_SERIES, decide
from controller.prometheus import Sample
from controller.state import RackState
from rack.errors import DatabaseError
from rack.inventory import Rasp
from rack.layout_file import load

RACK = load(Path("rack.toml"))
INSTALLED = {
    (slot.stack, slot.number): Rasp(
        slot.stack, slot.number, f"b8:27:eb:00:00:{slot.id:02x}", slot.address
    )
    for slot in RACK.slots
}


class World:
    """What the application under test is told about the rack."""

    def __init__(self) -> None:
        self.values = {slot.name: 1.0 for slot in RACK.slots}
        self.temperatures: dict[str, float] = {}
        self.trouble = ""
        self.is_database_broken = False

    def state(self) -> RackState:
        if self.is_database_broken:
            raise DatabaseError("pirack.db: database disk image is malformed")
        samples = [
            Sample(
                {"__name__": series, "stack": f"{slot.stack:02}", "slot": str(slot.number)},
                values[slot.name],
            )
            for series, values in (
                (STATE_SERIES, self.values),
                ("pirack_cpu_temperature_celsius", self.temperatures),
            )
            for slot in RACK.slots
            if slot.name in values
        ]
        return decide(RACK, INSTALLED, () if self.trouble else samples, self.trouble)
