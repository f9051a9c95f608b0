"""API routes of reservations and quotas."""

from http import HTTPStatus

from flask import Blueprint, Response

from controller import API_PREFIX
from controller.auth.access_control import AccessControl, current_actor, requires_role
from controller.auth.roles import Role
from controller.reservations.model import Quota, Reservation
from controller.reservations.schemas import (
    ExtendBody,
    QuotaBody,
    QuotaResponse,
    ReservationResponse,
    ReserveBody,
)
from controller.reservations.service import ReservationService
from controller.web.api import json_response, write_response
from controller.web.openapi import OpenApiDocument

_PATH_PARAMS = {"number": "Number of the reservation."}
_QUOTA_PATH_PARAMS = {"name": "Name of the group."}
_OK = {HTTPStatus.OK: ReservationResponse}


def blueprint(
    document: OpenApiDocument, reservations: ReservationService, access: AccessControl
) -> Blueprint:
    """Return the routes, and declare them in the OpenAPI document."""
    api = Blueprint("reservations", __name__, url_prefix=API_PREFIX)

    def responses_of(*listed: Reservation) -> list[ReservationResponse]:
        actor, places = current_actor().name, reservations.places()
        return [
            ReservationResponse.of(
                each, actor, reservations.seconds_left(each), places.get(each.id)
            )
            for each in listed
        ]

    def response_of(reservation: Reservation) -> ReservationResponse:
        return responses_of(reservation)[0]

    @api.get("/reservations")
    @document.read_endpoint("reservations", list[ReservationResponse])
    def list_reservations() -> Response:
        """List the active and queued reservations, oldest first."""
        return json_response(responses_of(*reservations.list_open()))

    @api.get("/reservations/<int:number>")
    @document.read_endpoint("reservations", ReservationResponse, path_params=_PATH_PARAMS)
    def get_reservation(number: int) -> Response:
        """Return a reservation, also after its end."""
        return json_response(response_of(reservations.get(number)))

    @api.post("/reservations")
    @requires_role(Role.OPERATOR)
    @document.write_endpoint("reservations", _OK, body_model=ReserveBody)
    def reserve_stacks(body: ReserveBody) -> Response:
        """Reserve stacks, or queue for them."""
        reservation = reservations.reserve(
            current_actor().name,
            body.selection,
            body.seconds,
            lease_seconds=body.lease_seconds,
            has_quota=not _is_admin(),
        )
        return write_response(response_of(reservation))

    @api.post("/reservations/<int:number>/extend")
    @requires_role(Role.OPERATOR)
    @document.write_endpoint("reservations", _OK, body_model=ExtendBody, path_params=_PATH_PARAMS)
    def extend_reservation(body: ExtendBody, number: int) -> Response:
        """Extend your active reservation. It is refused while others wait for its stacks."""
        actor = current_actor().name
        extended = reservations.extend(number, body.seconds, actor, has_quota=not _is_admin())
        access.record("extend", extended.title, "ok")
        return write_response(response_of(extended))

    @api.post("/reservations/<int:number>/renew")
    @requires_role(Role.OPERATOR)
    @document.write_endpoint("reservations", _OK, path_params=_PATH_PARAMS)
    def renew_reservation(number: int) -> Response:
        """Renew the lease of your reservation."""
        return write_response(response_of(reservations.renew(number, current_actor().name)))

    @api.post("/reservations/<int:number>/take-over")
    @requires_role(Role.ADMIN)
    @document.write_endpoint("reservations", _OK, path_params=_PATH_PARAMS)
    def take_over_reservation(number: int) -> Response:
        """Become the owner of an active reservation of another user, as an admin."""
        taken = reservations.take_over(number, current_actor().name)
        return write_response(response_of(taken))

    @api.delete("/reservations/<int:number>")
    @requires_role(Role.OPERATOR)
    @document.write_endpoint("reservations", _OK, path_params=_PATH_PARAMS)
    def hand_back_reservation(number: int) -> Response:
        """End your reservation. An admin can end each one."""
        ended = reservations.hand_back(number, current_actor().name, is_admin=_is_admin())
        return write_response(response_of(ended))

    _add_quota_routes(api, document, reservations, access)
    return api


def _add_quota_routes(
    api: Blueprint,
    document: OpenApiDocument,
    reservations: ReservationService,
    access: AccessControl,
) -> None:
    @api.get("/quotas")
    @document.read_endpoint("reservations", list[QuotaResponse])
    def list_quotas() -> Response:
        """List the quotas."""
        return json_response([QuotaResponse.of(quota) for quota in reservations.quotas.list_all()])

    @api.put("/quotas/<string:name>")
    @requires_role(Role.ADMIN)
    @document.write_endpoint(
        "reservations",
        {HTTPStatus.OK: QuotaResponse},
        body_model=QuotaBody,
        path_params=_QUOTA_PATH_PARAMS,
    )
    def set_quota(body: QuotaBody, name: str) -> Response:
        """Limit the reservations of each member of a group."""
        quota = Quota(name, tuple(body.members), body.stacks, body.seconds)
        reservations.quotas.save(quota)
        access.record("set quota", name, "ok", f"{body.stacks} stacks, {body.seconds:g} s")
        return write_response(QuotaResponse.of(quota))

    @api.delete("/quotas/<string:name>")
    @requires_role(Role.ADMIN)
    @document.write_endpoint(
        "reservations", {HTTPStatus.OK: QuotaResponse}, path_params=_QUOTA_PATH_PARAMS
    )
    def remove_quota(name: str) -> Response:
        """Remove a quota."""
        quota = reservations.quotas.remove(name)
        access.record("remove quota", name, "ok")
        return write_response(QuotaResponse.of(quota))


def _is_admin() -> bool:
    role = current_actor().role
    return role is not None and role.includes(Role.ADMIN)
