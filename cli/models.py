"""Responses of the controller's API as typed objects.

The controller is not trusted to send what its OpenAPI document describes: `decode` checks types.
"""

from dataclasses import MISSING, dataclass, fields, is_dataclass
from functools import cache
from types import UnionType
from typing import Any, Generic, TypeVar, get_args, get_origin, get_type_hints

_T = TypeVar("_T")

_MAX_NUMBER = 2**63  # larger numbers, infinity and NaN cannot be displayed


class DecodeError(ValueError):
    """JSON does not have the expected type."""


@dataclass(frozen=True)
class ApiResponse(Generic[_T]):
    """A response: its JSON as received, and the data decoded from it."""

    json: Any
    data: _T


@dataclass(frozen=True)
class ApiOutlet:
    """What switches the power of a stack or of one rasp. Unknown values are None."""

    slot: int | None
    label: str
    power: str
    observed: str
    watts: float | None
    energy_joules: float | None
    error: str


@dataclass(frozen=True)
class ApiRasp:
    """A rasp. Unknown values are None."""

    id: int
    name: str
    host_name: str
    stack: int
    slot: int
    mac: str | None
    ip: str | None
    state: str
    reason: str
    operation: str | None
    temperature_level: str | None
    temperature_celsius: float | None
    load1: float | None
    cpu_busy_cores: float | None
    memory_available_bytes: float | None
    memory_total_bytes: float | None
    conditions: list[str] | None
    uptime_seconds: float | None
    clock_offset_seconds: float | None
    is_clock_off: bool | None
    answers_ping: bool | None
    power: str
    outlet: ApiOutlet | None

    @property
    def is_busy(self) -> bool:
        """Whether the rasp is not up because of an order or install. This is not an issue."""
        return self.operation is not None and self.state != "up"

    @property
    def display_state(self) -> str:
        """What an order or install is doing with the rasp, or its temperature level or state."""
        if self.operation is not None:
            return self.operation
        level = self.temperature_level
        return level if self.state == "up" and level in {"warm", "hot"} else self.state

    @property
    def memory_used_ratio(self) -> float | None:
        """Fraction of the memory in use, 0 to 1."""
        if self.memory_available_bytes is None or not self.memory_total_bytes:
            return None
        return 1 - self.memory_available_bytes / self.memory_total_bytes

    @property
    def may_be_running(self) -> bool:
        """Whether the rasp is up, or could be."""
        return self.state in {"up", "unknown"}


@dataclass(frozen=True)
class ApiStack:
    """A stack and its rasps."""

    number: int
    outlets: list[ApiOutlet]
    x: int
    y: int
    power: str
    watts: float | None
    power_mismatch: str
    reserved_by: str
    rasps: list[ApiRasp]

    @property
    def has_outlet_per_slot(self) -> bool:
        """Whether each rasp has an outlet of its own."""
        return all(outlet.slot is not None for outlet in self.outlets)


@dataclass(frozen=True)
class ApiExplainedAlert:
    """An alert that an issue explains."""

    summary: str


@dataclass(frozen=True)
class ApiIssue:
    """An alert that operators should handle, and the alerts that it explains."""

    severity: str
    started_at: float
    reason: str
    explains: list[ApiExplainedAlert]


@dataclass(frozen=True)
class ApiPowerWarning:
    """Rasps whose power differs from the command, or is unknown, for the same reason."""

    reason: str
    rasps: list[str]


@dataclass(frozen=True)
class ApiHottestRasp:
    """Rasp with the highest temperature."""

    name: str
    temperature_celsius: float


@dataclass(frozen=True)
class ApiRack:
    """Summary of the rack."""

    name: str
    stacks: int
    rasps: int
    states: dict[str, int]
    operations: dict[str, int]
    hottest: ApiHottestRasp | None
    issues: list[ApiIssue]
    issues_error: str
    power_warnings: list[ApiPowerWarning]
    error: str
    network: str
    exporter_port: int

    @property
    def needs_attention(self) -> bool:
        """Whether there are issues or warnings, or could be."""
        is_unknown = self.issues_error or self.error or self.states.get("unknown")
        return bool(self.issues or self.power_warnings or is_unknown)


@dataclass(frozen=True)
class ApiInterface:
    """Network interface of the master."""

    name: str
    mac: str | None
    ip: str


@dataclass(frozen=True)
class ApiService:
    """Service on the master."""

    name: str
    url: str
    state: str
    version: str | None
    reason: str


@dataclass(frozen=True)
class ApiMaster:
    """The master and its services."""

    host_name: str
    version: str
    uptime_seconds: float
    load1: float
    memory_available_bytes: int
    memory_total_bytes: int
    disk_available_bytes: int
    disk_size_bytes: int
    temperature_celsius: float | None
    interfaces: list[ApiInterface]
    services: list[ApiService]


@dataclass(frozen=True)
class ApiAlias:
    """Alias that rasps can read."""

    name: str
    help: str


@dataclass(frozen=True)
class ApiAction:
    """Action that an order can request. `aliases` is None unless the action reads an alias."""

    action: str
    help: str
    is_disruptive: bool
    aliases: list[ApiAlias] | None


@dataclass(frozen=True)
class ApiReading:
    """Sample of an alias. The value is None for NaN, which JSON cannot represent."""

    labels: dict[str, str]
    value: float | None


@dataclass(frozen=True)
class ApiTargetResult:
    """Result of an order for one target. `result` is None until the target is complete."""

    target: str
    result: str | None
    stage: str
    detail: str
    output: str
    readings: list[ApiReading]


@dataclass(frozen=True)
class ApiResultCounts:
    """Number of targets with each result."""

    ok: int
    failed: int
    unknown: int
    pending: int


@dataclass(frozen=True)
class ApiOrderSummary:
    """An order without the results of its targets."""

    id: int
    action: str
    alias: str | None
    targets: list[str]
    actor: str
    state: str
    result: str | None
    started_at: float
    counts: ApiResultCounts

    @property
    def is_finished(self) -> bool:
        """Whether the results of the order are final."""
        return self.state not in {"running", "cancelling"}

    @property
    def succeeded(self) -> bool:
        """Whether no target has failed or is unknown, so far if the order is not finished."""
        has_failures = self.counts.failed or self.counts.unknown
        return not has_failures and (self.result == "ok" or not self.is_finished)


@dataclass(frozen=True)
class ApiOrder(ApiOrderSummary):
    """An order and its results."""

    results: list[ApiTargetResult]


@dataclass(frozen=True)
class ApiPreview:
    """Effects that an order would have."""

    affected: list[str]
    already_down: list[str]
    stacks: list[int]
    outlets: list[str]
    warnings: list[str]


@dataclass(frozen=True)
class ApiInstallStep:
    """Completed step of an install."""

    time: float
    text: str


@dataclass(frozen=True)
class ApiInstallation:
    """Progress or result of an install, a replacement or a swap."""

    id: int | None
    kind: str
    state: str
    outcome: str
    dry_run: bool
    stage: str | None
    steps: list[ApiInstallStep]
    stacks_total: int
    stacks_done: int
    rasps_total: int
    rasps_found: int
    rasps_missing: int
    seconds_left: float | None
    found: dict[int, list[str]]
    missing: dict[int, int]
    missing_slots: list[str]
    slots: dict[str, int]
    slot_evidence: dict[str, str]
    other_vendor_macs: list[str]
    unplaced: list[str]
    conflicts: dict[str, list[str]]
    outlets_to_restore: list[str]
    diff: str
    error: str
    finished_at: float | None

    @property
    def is_finished(self) -> bool:
        """Whether the result of the install is final."""
        return self.state not in {"running", "stopping"}

    @property
    def succeeded(self) -> bool:
        """Whether every rasp was found, or the install is not finished."""
        if self.state == "done":
            return not (self.error or self.missing or self.conflicts or self.unplaced)
        return self.state == "none" or not self.is_finished


@dataclass(frozen=True)
class ApiAuditEvent:
    """Audit event, and the number of its occurrences."""

    id: int
    time: float
    count: int
    actor: str
    client_address: str
    action: str
    targets: str
    result: str
    detail: str


def decode(expected: type[_T], value: object) -> _T:
    """Convert JSON to a dataclass, `list`, `dict`, `X | None`, `str`, `int`, `float` or `bool`.

    Unknown fields of objects are ignored. Fields with a default may be missing.

    Raises:
        DecodeError: If a field is missing or has another type.
    """
    decoded: _T = _decode(expected, value)
    return decoded


def _decode(expected: Any, value: Any) -> Any:
    container, parameters = get_origin(expected), get_args(expected)
    if container is UnionType:
        return None if value is None else _decode(parameters[0], value)
    if container is list and isinstance(value, list):
        return [_decode(parameters[0], item) for item in value]
    if container is dict and isinstance(value, dict):
        key_type, value_type = parameters
        return {_decode_key(key_type, key): _decode(value_type, value[key]) for key in value}
    if isinstance(expected, type) and is_dataclass(expected) and isinstance(value, dict):
        types = _field_types(expected)
        if missing := _required_fields(expected) - value.keys():
            raise DecodeError(f"missing {', '.join(sorted(missing))}")
        names = types.keys() & value.keys()
        return expected(**{name: _decode(types[name], value[name]) for name in names})
    if expected is float and type(value) in {int, float} and abs(value) < _MAX_NUMBER:
        return float(value)
    if type(value) is expected and (expected is not int or abs(value) < _MAX_NUMBER):
        return value
    raise DecodeError(
        f"{type(value).__name__} instead of {getattr(expected, '__name__', expected)}"
    )


@cache
def _field_types(model: type[Any]) -> dict[str, Any]:
    return get_type_hints(model)


@cache
def _required_fields(model: type[Any]) -> frozenset[str]:
    return frozenset(field.name for field in fields(model) if field.default is MISSING)


def _decode_key(expected: type[str] | type[int], key: str) -> str | int:
    try:
        return expected(key)
    except ValueError as error:
        raise DecodeError("a key is not a number") from error
