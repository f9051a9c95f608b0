"""Reserve, extend, hand back and take over stacks; list reservations and quotas."""

import time

from flask import Blueprint, Response, redirect, request, url_for
from werkzeug.exceptions import UnprocessableEntity
from werkzeug.wrappers import Response as BaseResponse

from controller.auth.access_control import AccessControl, current_actor, requires_role
from controller.auth.roles import Role
from controller.pages.reservation_calendar import read_calendar
from controller.reservations.model import ReservationState
from controller.reservations.service import ReservationService
from controller.web.responses import render_page
from rack.selection import SYNTAX

_MAX_SELECTION_CHARS = 200
_MAX_MINUTES = 7 * 24 * 60


def blueprint(reservations: ReservationService, access: AccessControl) -> Blueprint:
    """Return the views of `/reservations`."""
    pages = Blueprint("reservation_pages", __name__, url_prefix="/reservations")

    @pages.get("")
    def index() -> Response:
        actor, now = current_actor(), time.time()
        return render_page(
            "reservations.html",
            reservations=reservations.list_open(),
            places=reservations.places(),
            now=now,
            calendar=read_calendar(reservations, now),
            quotas=reservations.quotas.list_all(),
            ReservationState=ReservationState,
            is_admin=_is_admin() and actor.session is not None,
            selection_syntax=SYNTAX,
            max_minutes=_MAX_MINUTES,
        )

    @pages.post("")
    @requires_role(Role.OPERATOR)
    def reserve() -> BaseResponse:
        selection = request.form.get("selection", "")[:_MAX_SELECTION_CHARS]
        owner, seconds = current_actor().name, _requested_seconds()
        reservations.reserve(owner, selection, seconds, has_quota=not _is_admin())
        return _back()

    @pages.post("/<int:number>/extend")
    @requires_role(Role.OPERATOR)
    def extend(number: int) -> BaseResponse:
        extended = reservations.extend(
            number, _requested_seconds(), current_actor().name, has_quota=not _is_admin()
        )
        access.record("extend", extended.title, "ok")
        return _back()

    @pages.post("/<int:number>/hand-back")
    @requires_role(Role.OPERATOR)
    def hand_back(number: int) -> BaseResponse:
        reservations.hand_back(number, current_actor().name, is_admin=_is_admin())
        return _back()

    @pages.post("/<int:number>/take-over")
    @requires_role(Role.ADMIN)
    def take_over(number: int) -> BaseResponse:
        reservations.take_over(number, current_actor().name)
        return _back()

    return pages


def _back() -> BaseResponse:
    return redirect(url_for("reservation_pages.index"), 303)


def _requested_seconds() -> float:
    text = request.form.get("minutes", "")
    is_number = text.isascii() and text.isdecimal() and len(text) <= len(str(_MAX_MINUTES))
    if not is_number or not 1 <= int(text) <= _MAX_MINUTES:
        raise UnprocessableEntity(f"minutes must be a number from 1 to {_MAX_MINUTES}")
    return int(text) * 60.0


def _is_admin() -> bool:
    role = current_actor().role
    return role is not None and role.includes(Role.ADMIN)
