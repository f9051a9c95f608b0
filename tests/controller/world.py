"""A rack that is as a test says."""

from collections.abc import Iterator
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
        self.cores: dict[str, float] = {}
        self.memory_available: dict[str, float] = {}
        self.conditions: dict[str, str] = {}
        self.trouble = ""
        self.is_database_broken = False

    def state(self) -> RackState:
        if self.is_database_broken:
            raise DatabaseError("pirack.db: database disk image is malformed")
        samples = () if self.trouble else list(self._samples())
        return decide(RACK, INSTALLED, samples, self.trouble)

    def _samples(self) -> Iterator[Sample]:
        for slot in RACK.slots:
            place = {"stack": f"{slot.stack:02}", "slot": str(slot.number)}
            for name, values in (
                (STATE_SERIES, self.values),
                ("pirack_cpu_temperature_celsius", self.temperatures),
                ("pirack_memory_available_bytes", self.memory_available),
                ("pirack_memory_total_bytes", dict.fromkeys(self.memory_available, 1e9)),
            ):
                if slot.name in values:
                    yield Sample({"__name__": name, **place}, values[slot.name])
            if slot.name in self.cores:
                yield Sample({"computed": "cpu_busy_cores", **place}, self.cores[slot.name])
            if slot.name in self.conditions:
                condition = {"condition": self.conditions[slot.name], "since": "now"}
                yield Sample({"__name__": "pirack_power_condition", **place, **condition}, 1.0)
