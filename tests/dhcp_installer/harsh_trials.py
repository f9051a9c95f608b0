"""Random racks with the faults that discovery meets in practice, for many trials."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random

from rack.layout import Outlet
from tests.dhcp_installer.outlets import rasp_counts
from tests.dhcp_installer.simulated_rack import (
    PING_INTERVAL,
    REBOOT_AFTER_SECONDS,
    SimulatedPi,
    SimulatedRack,
)

BOOT_SECONDS = (6.0, 80.0)
HOLD_UP_SECONDS = (0.5, 2.8)
RENEWAL_SECONDS = 30.0  # half of the lease time during an install
FAULT_PROBABILITIES = (0.01, 0.08)  # of a rasp; outlets are stuck half as often
STARVED_PROBABILITY = 0.1  # of a trial
STALL_PROBABILITY = 0.001  # per ping round of a starved installer


@dataclass(frozen=True)
class HarshTrial:
    """A rack, and the number of slots that each of its outlets powers."""

    rasp_counts: Mapping[Outlet, int]
    rack: SimulatedRack

    @property
    def placeable_macs(self) -> frozenset[str]:
        """Rasps that are alive, wired, and have an outlet that works."""
        return frozenset(
            pi.mac
            for pi in self.rack.pis
            if not pi.is_dead and pi.outlet not in self.rack.stuck_outlets
        )


def harsh_trial(
    seed: int,
    slots: Sequence[int] = (),
    *,
    ping_interval: float = PING_INTERVAL,
    fault_probabilities: tuple[float, float] = FAULT_PROBABILITIES,
    own_probability: float = 0.0,
) -> HarshTrial:
    """Return the harsh trial of a seed.

    Args:
        seed: Seed of all random values.
        slots: Number of slots in each stack, random by default.
        ping_interval: Seconds between two ping rounds.
        fault_probabilities: Minimum and maximum probability that a rasp has a fault.
        own_probability: Probability that the slots of a stack have outlets of their own.
    """
    random = Random(seed)
    slots = slots or _random_geometry(random)
    own = {
        stack
        for stack in range(1, len(slots) + 1)
        if own_probability and random.random() < own_probability
    }
    counts = rasp_counts(dict(enumerate(slots, 1)), own=own)
    pis = [
        SimulatedPi(
            f"b8:27:eb:{outlet.stack:02x}:00:{(outlet.slot or 1) - 1 + index:02x}",
            outlet,
            renewal_interval=RENEWAL_SECONDS,
        )
        for outlet, count in counts.items()
        for index in range(count)
    ]
    fault_probability = random.uniform(*fault_probabilities)
    for pi in pis:
        if random.random() < fault_probability:
            _inject_fault(pi, random)
    stuck_outlets = frozenset(
        outlet for outlet in counts if random.random() < fault_probability / 2
    )
    stall_probability = STALL_PROBABILITY * (random.random() < STARVED_PROBABILITY)
    rack = SimulatedRack(
        pis,
        random,
        stuck_outlets=stuck_outlets,
        ping_interval=ping_interval,
        boot_seconds=BOOT_SECONDS,
        hold_up_seconds=HOLD_UP_SECONDS,
        ping_stall_probability=stall_probability,
        log_stall_probability=stall_probability,
        outage_probability=stall_probability,
    )
    return HarshTrial(counts, rack)


def _random_geometry(random: Random) -> Sequence[int]:
    """Return the number of slots of each stack, 32 rasps on average."""
    match random.randrange(10):
        case 0:
            return [6, 6, 6]
        case 1:
            return [random.randint(1, 8)]
        case 2 | 3 | 4:
            return [random.randint(1, 8) for _ in range(random.randint(2, 14))]
        case 5 | 6:
            return [4] * 12
        case _:
            return [4] * 8


def _inject_fault(pi: SimulatedPi, random: Random) -> None:
    match random.randrange(20):
        case 0:
            pi.has_stranger = True
        case 1 | 2 | 3:
            pi.is_dead = True
        case 4 | 5 | 6:
            pi.reboot_after = random.uniform(*REBOOT_AFTER_SECONDS)
        case value if value % 2:
            pi.flaps = True
        case _:
            pi.loops = True
