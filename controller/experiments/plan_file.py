"""Plan files of experiments: types, limits, defaults and descriptions.

The description of a key follows "set it to" in error messages, and appears in
docs/reference/experiment-plan.md.
"""

import re
import tomllib
from dataclasses import dataclass
from pathlib import PurePath
from typing import Annotated, Any, Self

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    Strict,
    ValidationError,
    model_validator,
)

from controller.errors import PlanError
from controller.experiments.plan import CheckKind, FaultKind
from rack.selection import SYNTAX
from rack.settings import Settings
from rack.settings_errors import first_error

_SECONDS = {"ms": 0.001, "s": 1.0, "min": 60.0, "h": 3600.0}
_NUMBER = r"[0-9]{1,6}(?:\.[0-9]{1,3})?"
_SPAN = re.compile(rf"({_NUMBER})(?:\.\.({_NUMBER}))? ?(ms|s|min|h)")
_MAX_CHARS = 1000
_MAX_SECONDS = 86400.0
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")


@dataclass(frozen=True, slots=True)
class Span:
    """A range of seconds. Both limits are equal for one duration."""

    low: float
    high: float


def parse_span(text: str) -> Span:
    """Return the seconds of a duration such as `10 s`, or of a range such as `10..40 s`.

    Raises:
        ValueError: If the text has another form, its upper limit is below its lower limit, or it is
            longer than a day.
    """
    match = _SPAN.fullmatch(text)
    if match is None:
        raise ValueError("it is not a time with a unit: ms, s, min or h")
    factor = _SECONDS[match[3]]
    low, high = (round(float(number) * factor, 3) for number in (match[1], match[2] or match[1]))
    if high < low:
        raise ValueError("it ends before it starts")
    if high > _MAX_SECONDS:
        raise ValueError("it is longer than 24 h")
    return Span(low, high)


def _require_span(text: str) -> str:
    parse_span(text)
    return text


def _require_duration(text: str) -> str:
    span = parse_span(text)
    if span.low != span.high:
        raise ValueError("it is a range")
    if span.low <= 0:
        raise ValueError("it is not above 0 s")
    return text


def _check_table(value: Any) -> Any:
    return {"kind": value} if isinstance(value, str) else value


_SpanText = Annotated[str, AfterValidator(_require_span)]
_DurationText = Annotated[str, AfterValidator(_require_duration)]
_Command = Annotated[str, Field(max_length=_MAX_CHARS)]


class CheckSettings(Settings):
    """The key `check`, or the table `[check]`."""

    kind: CheckKind = Field(
        description='`"set"` (each acknowledged write of the history is there, once),'
        ' `"none"`, `"command"` or `"promql"`. `check = "set"` is short for this key'
    )
    command: _Command = Field(
        "", description="a command on your machine that succeeds if the run was successful"
    )
    query: _Command = Field(
        "", description="a PromQL query whose result is not empty and has no sample with value 0"
    )


class ProbeSettings(Settings):
    """One `[[probe]]` table, with one key."""

    promql: _Command = Field(
        "", description="a PromQL query whose result is not empty and has no sample with value 0"
    )
    http: str = Field(
        "",
        pattern=r"^(:[0-9]{1,5}/[!-~]{0,200})?$",
        description='a port and path that each node answers with a success: `":2379/health"`',
    )
    command: _Command = Field("", description="a command on your machine that succeeds")

    @model_validator(mode="after")
    def _has_one_key(self) -> Self:
        if sum(map(bool, (self.promql, self.http, self.command))) != 1:
            raise ValueError("write exactly one of promql, http and command")
        return self


class FaultSettings(Settings):
    """One `[[fault]]` table."""

    kind: FaultKind = Field(
        description='`"power"` (a power cut), `"shutdown"` (then a power cut), `"reboot"` or'
        ' `"action"`'
    )
    pick: str = Field(
        min_length=1,
        max_length=_MAX_CHARS,
        description='`"random 1 stack"`, `"random 2 rasps"`, `"minority"`, `"majority"`,'
        ' `"each in turn"`, `"all"`, names such as `"03-2"`, or the name of a place',
    )
    at: _SpanText = Field(
        description='the time after the steady state, such as `"10 s"`, or `"10..40 s"` for a'
        " random time"
    )
    off: _SpanText = Field(
        "",
        description='the time without power, such as `"2..4 s"`, for the kinds `power` and'
        " `shutdown`",
    )
    action: str = Field(
        "", description="the name of an action of aliases.ini, for the kind `action`"
    )


class PlaceSettings(Settings):
    """One `[place.NAME]` table."""

    command: str = Field(
        min_length=1,
        max_length=_MAX_CHARS,
        description="a command on your machine that prints names or addresses of nodes",
    )


class AbortSettings(Settings):
    """The table `[abort]`."""

    temperature: float = Field(
        90.0,
        gt=0,
        le=150,
        description="the highest temperature of a rasp, in degrees Celsius, up to 150",
    )
    under_voltage: bool = Field(
        True, description="`false` to continue although a rasp has an under-voltage"
    )
    boot_within: _DurationText = Field(
        "120 s",
        description="the time in which a rasp must reply after its power returns or it reboots,"
        ' such as `"120 s"`',
    )


class PlanFile(Settings):
    """The whole file."""

    nodes: str = Field(
        min_length=1, max_length=_MAX_CHARS, description=SYNTAX.replace('"', '`"', 1) + "`"
    )
    start: str = Field("", description="the action that runs on each node before the steady state")
    stop: str = Field("", description="the action that runs on each node at the end")
    client: _Command = Field(
        "",
        description="a command on your machine that loads the nodes until it gets SIGTERM."
        " It gets the addresses of the nodes as `{nodes}`, their names as `{names}`, and the file"
        " of the history as `{history}`",
    )
    check: Annotated[CheckSettings, BeforeValidator(_check_table)] = Field(
        CheckSettings(kind="none"), description='`"set"`, `"none"` or a table `[check]`'
    )
    within: _DurationText = Field(
        "60 s",
        description="the time in which the nodes must reach the steady state, before the first"
        ' fault and after the last one, such as `"60 s"`',
    )
    clock_offset: _DurationText = Field(
        "",
        description='the largest offset of a node\'s clock, such as `"50 ms"`. Before the start'
        " and after each boot, the run waits for it",
    )
    probe: Annotated[tuple[ProbeSettings, ...], Strict(False)] = Field(
        (), max_length=20, description="tables `[[probe]]`"
    )
    fault: Annotated[tuple[FaultSettings, ...], Strict(False)] = Field(
        (), max_length=100, description="tables `[[fault]]`"
    )
    place: dict[str, PlaceSettings] = Field({}, max_length=20, description="tables `[place.NAME]`")
    abort: AbortSettings = AbortSettings()


def plan_name(file: str) -> str:
    """Return the name of the experiment in a file, which is the stem of the file's name.

    Raises:
        PlanError: If the stem is not a valid name.
    """
    name = PurePath(file).stem
    if not _NAME.fullmatch(name):
        raise PlanError(
            file,
            "",
            "the file name is not valid",
            "use letters, digits, dot, dash and underscore, for example raft.toml",
        )
    return name


def parse_plan_file(text: str, file: str) -> PlanFile:
    """Parse the text of a plan file.

    Args:
        text: Content of the file, in TOML.
        file: Name of the file in error messages.

    Raises:
        PlanError: If the text is not TOML or is invalid.
    """
    try:
        tables = tomllib.loads(text.removeprefix("\ufeff"))  # Windows editors add this mark
    except (ValueError, RecursionError) as error:  # also too many digits, or too many brackets
        raise PlanError(file, "", f"not TOML: {error}", "fix the syntax there") from error
    try:
        return PlanFile.model_validate(tables)
    except ValidationError as error:
        found = first_error(error, PlanFile)
        raise PlanError(file, found.key, found.problem, found.hint) from error
