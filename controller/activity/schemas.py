"""API models of the activity, and the same as CSV."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field

from controller.activity.model import ActivityKind, Event, Level
from controller.activity.reader import MAX_EVENTS, ActivityPage, UnavailableKinds
from controller.web.csv_response import to_csv
from controller.web.models import ApiModel, example_config, omittable

_MAX_TIME = 1e10  # year 2286
_MAX_TARGETS = 100
_COLUMNS = ("time", "kind", "text", "stacks", "rasps", "actor", "cause", "level", "link")


def _as_list(value: Any) -> Any:
    """Return a field that was sent once as a list, like one that was repeated."""
    return value if isinstance(value, list) else [value]


_Repeatable = BeforeValidator(_as_list)
_Target = Annotated[str, Field(min_length=1, max_length=100)]


class ActivityQuery(ApiModel):
    """Filters of `GET activity`. An event must match all given filters."""

    seconds: float = Field(
        default=3600.0,
        gt=0,
        le=_MAX_TIME,
        description="Length of the time that ends at `end`.",
        examples=[3600],
    )
    end: float | None = omittable(
        ge=0,
        le=_MAX_TIME,
        description="End of the time. Default: now.",
        examples=[1767225600],
    )
    kind: Annotated[list[ActivityKind], _Repeatable] = Field(
        default=[], description="Kind of the events, repeatable.", examples=[["power", "state"]]
    )
    target: Annotated[list[_Target], _Repeatable] = Field(
        default=[],
        max_length=_MAX_TARGETS,
        description="Rasps and stacks that the events concern, repeatable.",
        examples=[["3/2"]],
    )
    actor: str | None = omittable(
        max_length=100, description="Part of the actor.", examples=["alice"]
    )
    limit: int = Field(
        default=100,
        ge=1,
        le=MAX_EVENTS,
        description="Maximum number of events, unless more of them have the same time.",
    )
    format: Literal["json", "csv"] = Field(default="json", description="Format of the response.")


class ActivityEventResponse(ApiModel):
    """Something that happened."""

    model_config = example_config(
        id="edge-7",
        time=1767225600.25,
        kind="power",
        text="stack 03 off",
        stacks=[3],
        rasps=[],
        actor="alice",
        cause="order 12",
        level="",
        link="/stacks/3",
    )

    id: str = Field(description="identifier that stays the same")
    time: float = Field(description="since the epoch")
    kind: ActivityKind
    text: str = Field(description="one line for people")
    stacks: list[int] = Field(description="numbers of the stacks that it concerns as a whole")
    rasps: list[str] = Field(description="names of the single rasps that it concerns")
    actor: str = Field(description="who caused it, empty if unknown; for operators")
    cause: str = Field(
        description="what caused it, such as `order 12`, `install 3` or `run 4`; empty if unknown"
    )
    level: Level = Field(description="severity, empty if it is normal")
    link: str = Field(description="path of the page about it, or empty")

    @classmethod
    def of(cls, event: Event) -> Self:
        """Return the response for an event."""
        return cls(
            id=event.id,
            time=event.time,
            kind=event.kind,
            text=event.text,
            stacks=list(event.stacks),
            rasps=list(event.rasps),
            actor=event.actor,
            cause=event.cause,
            level=event.level,
            link=event.link,
        )


class UnavailableKindsResponse(ApiModel):
    """Kinds of events that are missing."""

    kinds: list[ActivityKind]
    reason: str
    since: float | None = Field(description="time from which they are not missing, if there is one")

    @classmethod
    def of(cls, unavailable: UnavailableKinds) -> Self:
        """Return the response for missing kinds."""
        return cls(
            kinds=list(unavailable.kinds), reason=unavailable.reason, since=unavailable.since
        )


class NextPageResponse(ApiModel):
    """Query fields of the next page."""

    end: float
    seconds: float


class ActivityResponse(ApiModel):
    """Events of a time, newest first."""

    events: list[ActivityEventResponse]
    unavailable: list[UnavailableKindsResponse] = Field(
        description="kinds of events that are missing, with the reason"
    )
    next: NextPageResponse | None = Field(
        description="time of the next page, null if there are no older events in this time"
    )

    @classmethod
    def of(cls, page: ActivityPage) -> Self:
        """Return the response for a page."""
        return cls(
            events=[ActivityEventResponse.of(event) for event in page.events],
            unavailable=[UnavailableKindsResponse.of(each) for each in page.unavailable],
            next=next_page(page),
        )


def next_page(page: ActivityPage) -> NextPageResponse | None:
    """Return the time of the next page, or None if this page is the last one of its time."""
    if page.older_end is None:
        return None
    return NextPageResponse(end=page.older_end, seconds=page.older_end - page.start)


def page_to_csv(page: ActivityPage) -> str:
    """Return a page as CSV, newest first. Rows without a time are about missing kinds."""
    return to_csv(_COLUMNS, _rows(page))


def _rows(page: ActivityPage) -> Iterator[list[str]]:
    for missing in page.unavailable:
        until = f" before {_iso_time(missing.since)}" if missing.since else ""
        for kind in missing.kinds:
            yield ["", kind, f"not available{until}: {missing.reason}", *[""] * 4, "warning", ""]
    for event in page.events:
        yield [
            _iso_time(event.time),
            event.kind,
            event.text,
            " ".join(map(str, event.stacks)),
            " ".join(event.rasps),
            event.actor,
            event.cause,
            event.level,
            event.link,
        ]


def _iso_time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
