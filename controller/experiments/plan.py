"""A plan: an experiment file and its seed, expanded to offsets and places."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Literal

FaultKind = Literal["power", "shutdown", "reboot", "action"]
CheckKind = Literal["none", "set", "command", "promql"]

POWER_KINDS: frozenset[FaultKind] = frozenset({"power", "shutdown"})
"""Faults that cut the power of outlets. They affect all rasps that share an outlet."""


@dataclass(frozen=True, slots=True)
class PlannedFault:
    """A fault with its time and place.

    Attributes:
        number: Number in the plan, from 1.
        kind: What happens: power cut, shutdown with a power cut, reboot, or an action.
        at: Seconds from the steady state to the fault.
        stacks: Numbers of the stacks. Empty for a place that is not resolved.
        rasps: Names of the rasps that the fault affects.
        seconds_off: Seconds without power, or None for faults that do not cut the power.
        action: Name of the action, for the kind `action`.
        pick: How the file selects the rasps.
        place: Name of the place that the run resolves, or empty.
    """

    number: int
    kind: FaultKind
    at: float
    stacks: tuple[int, ...]
    rasps: tuple[str, ...]
    seconds_off: float | None = None
    action: str = ""
    pick: str = ""
    place: str = ""

    @property
    def ends_at(self) -> float:
        """Seconds from the steady state to the end of the fault."""
        return self.at + (self.seconds_off or 0.0)

    @property
    def takes_down(self) -> bool:
        """Whether the rasps go down."""
        return self.kind != "action"


@dataclass(frozen=True, slots=True)
class PlanProbe:
    """A condition of the steady state. Exactly one of its attributes is not empty.

    Attributes:
        promql: Query whose result is not empty, and has no sample with the value 0.
        http: Port and path that each rasp answers with a success.
        command: Command on the user's machine that succeeds.
    """

    promql: str = ""
    http: str = ""
    command: str = ""


@dataclass(frozen=True, slots=True)
class PlanCheck:
    """What decides whether a run was successful.

    Attributes:
        kind: Kind of the check.
        command: Command on the user's machine, for the kind `command`.
        query: PromQL query, for the kind `promql`. See `PlanProbe.promql`.
    """

    kind: CheckKind
    command: str = ""
    query: str = ""


@dataclass(frozen=True, slots=True)
class AbortLimits:
    """When a run is aborted.

    Attributes:
        temperature: Highest temperature of a rasp, in degrees Celsius.
        under_voltage: Whether an under-voltage aborts the run.
        boot_within: Seconds in which a rasp must reply after its power returns or it reboots.
    """

    temperature: float
    under_voltage: bool
    boot_within: float


@dataclass(frozen=True)
class Plan:
    """What a run does.

    Attributes:
        name: Name of the experiment, which is the stem of its file.
        seed: Seed of all random choices.
        nodes: Names of the rasps.
        stacks: Numbers of their stacks.
        start: Action that runs on each node before the steady state, or empty.
        stop: Action that runs on each node at the end, or empty.
        client: Command on the user's machine that loads the nodes, or empty.
        check: What decides whether the run was successful.
        probes: Conditions of the steady state before the first fault and after the last one.
        within: Seconds in which the probes must succeed.
        clock_offset: Largest offset of a rasp's clock in seconds, or None for any offset.
        places: Command on the user's machine that names the rasps, by the name of the place.
        faults: Faults, in order of their times.
        abort: When the run is aborted.
    """

    name: str
    seed: int
    nodes: tuple[str, ...]
    stacks: tuple[int, ...]
    start: str
    stop: str
    client: str
    check: PlanCheck
    probes: tuple[PlanProbe, ...]
    within: float
    clock_offset: float | None
    places: Mapping[str, str]
    faults: tuple[PlannedFault, ...]
    abort: AbortLimits

    @property
    def duration(self) -> float:
        """Seconds from the steady state to the end of the last fault."""
        return max((fault.ends_at for fault in self.faults), default=0.0)

    @property
    def goes_down(self) -> tuple[str, ...]:
        """Names of the rasps that go down, sorted. Any node may be at a place of the run."""
        names = {
            name
            for fault in self.faults
            if fault.takes_down
            for name in (self.nodes if fault.place else fault.rasps)
        }
        return tuple(sorted(names))

    @property
    def canonical_json(self) -> str:
        """The plan as JSON, byte-identical for equal plans on all versions of Python."""
        return json.dumps(asdict(self), sort_keys=True, separators=(",", ":"), ensure_ascii=True)

    @property
    def hash(self) -> str:
        """SHA-256 of `canonical_json`, in hexadecimal."""
        return hashlib.sha256(self.canonical_json.encode("ascii")).hexdigest()

    def fault(self, number: int) -> PlannedFault:
        """Return the fault with this number."""
        return next(fault for fault in self.faults if fault.number == number)

    def with_fault(self, fault: PlannedFault) -> "Plan":
        """Return this plan with another version of a fault."""
        faults = tuple(fault if each.number == fault.number else each for each in self.faults)
        return replace(self, faults=faults)


def plan_from_json(text: str) -> Plan:
    """Return the plan of a `canonical_json`.

    Raises:
        ValueError, TypeError, KeyError: If the text is not such a plan.
    """
    fields = json.loads(text)
    fields["check"] = PlanCheck(**fields["check"])
    fields["abort"] = AbortLimits(**fields["abort"])
    fields["probes"] = tuple(PlanProbe(**probe) for probe in fields["probes"])
    fields["faults"] = tuple(
        PlannedFault(**{**fault, "stacks": tuple(fault["stacks"]), "rasps": tuple(fault["rasps"])})
        for fault in fields["faults"]
    )
    fields["nodes"], fields["stacks"] = tuple(fields["nodes"]), tuple(fields["stacks"])
    return Plan(**fields)
