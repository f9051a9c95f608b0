"""Everything that happened, with filters, folded by cause."""

import math
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from flask import Blueprint, Response, request

from controller.activity.folding import fold
from controller.activity.model import ActivityFilter, ActivityKind, visible_kinds
from controller.activity.reader import MAX_EVENTS, Activity
from controller.auth.access_control import current_actor
from controller.state.history import TIME_RANGES
from controller.web.responses import render_page
from rack.errors import UnknownTargetError
from rack.layout import Rack
from rack.targets import parse_targets

_DEFAULT_SPAN = "1h"
_MAX_QUERY_CHARS = 100
_MINUTE = 60


@dataclass(frozen=True, slots=True)
class RequestedActivity:
    """What the form of the page requests. `until` is None for now."""

    span: str
    until: float | None
    kinds: tuple[ActivityKind, ...]
    target: str
    actor: str

    @property
    def seconds(self) -> int:
        """Length of the time."""
        return TIME_RANGES[self.span]

    @property
    def is_filtered(self) -> bool:
        """Whether some events are not requested."""
        return bool(self.kinds or self.target or self.actor)

    def fields(self, until: float | None = None) -> dict[str, Any]:
        """Return the fields of the form for a time that ends at `until`, by default now."""
        return {
            "span": None if self.span == _DEFAULT_SPAN else self.span,
            "kind": list(self.kinds),
            "target": self.target or None,
            "actor": self.actor or None,
            "until": None if until is None else _iso_time(until),
        }

    def export_fields(self) -> dict[str, Any]:
        """Return the fields of the API for the same events."""
        return {
            "seconds": self.seconds,
            "end": self.until,
            "kind": list(self.kinds),
            "target": self.target.split(),
            "actor": self.actor or None,
            "limit": MAX_EVENTS,
        }


def blueprint(activity: Activity, rack: Rack) -> Blueprint:
    """Return the view of `/activity`."""
    pages = Blueprint("activity_pages", __name__)

    @pages.get("/activity")
    def show() -> Response:
        requested, error = requested_activity()
        targets: frozenset[tuple[int, int | None]] = frozenset()
        try:
            targets = parse_targets(rack, requested.target.split())
        except UnknownTargetError as unknown:
            error = str(unknown)
        end = time.time() if requested.until is None else requested.until
        role = current_actor().role
        page = activity.events(
            end - requested.seconds,
            end,
            ActivityFilter(frozenset(requested.kinds), targets, requested.actor),
            role=role,
        )
        older = page.start if page.older_end is None else page.older_end
        newer = None if requested.until is None else requested.until + requested.seconds
        return render_page(
            "activity.html",
            requested=requested,
            error=error,
            page=page,
            groups=[] if error else fold(page.events),
            older_until=older if requested.until is not None else _next_minute(older),
            newer_until=None if newer is None or newer >= time.time() else newer,
            kinds=[kind for kind in ActivityKind if kind in visible_kinds(role)],
            spans=TIME_RANGES,
        )

    return pages


def requested_activity() -> tuple[RequestedActivity, str]:
    """Return what the current request asks for, and an error about its time or ""."""
    span = request.args.get("span", _DEFAULT_SPAN)
    known = {str(kind): kind for kind in ActivityKind}
    until_text = request.args.get("until", "")[:_MAX_QUERY_CHARS]
    until = parse_time(until_text) if until_text else None
    requested = RequestedActivity(
        span=span if span in TIME_RANGES else _DEFAULT_SPAN,
        until=until,
        kinds=tuple(known[text] for text in request.args.getlist("kind") if text in known),
        target=request.args.get("target", "").strip()[:_MAX_QUERY_CHARS],
        actor=request.args.get("actor", "").strip()[:_MAX_QUERY_CHARS],
    )
    is_wrong = bool(until_text) and until is None
    error = f"{until_text!r} is not a time: write 2026-11-29T14:00" if is_wrong else ""
    return requested, error


def parse_time(text: str) -> float | None:
    """Return the seconds since the epoch of an ISO 8601 time, None if it is malformed.

    A time without a zone is in the zone of the master.
    """
    try:
        seconds = datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError, OSError):
        return None
    return seconds if seconds >= 0 else None


def _next_minute(seconds: float) -> float:
    """Return a time that is not earlier and changes once per minute, like the page of now."""
    return math.ceil(seconds / _MINUTE) * _MINUTE


def _iso_time(seconds: float) -> str:
    """Return a time in UTC that is not earlier, for links to further pages."""
    return datetime.fromtimestamp(math.ceil(seconds * 1e6) / 1e6, UTC).isoformat()
