"""API route of the edges of power."""

from typing import Self

from flask import Blueprint, Response
from pydantic import Field

from controller import API_PREFIX
from controller.orders.model import power_edge_cause
from controller.orders.service import OrderService
from controller.web.models import ApiModel, omittable
from controller.web.openapi import OpenApiDocument
from controller.web.paging import page_response
from rack.database import MAX_ROW_ID
from rack.power.edges import Edge


class MomentResponse(ApiModel):
    """A time on both clocks of the master."""

    monotonic: float = Field(description="seconds since the boot of the master")
    time: float = Field(description="seconds since the epoch")


class EdgeResponse(ApiModel):
    """One change of the power of a stack, or of a rasp with an outlet of its own."""

    id: int
    stack: int = Field(description="Number of the stack.")
    slot: int | None = Field(
        description="Number of the slot that the outlet powers, null for the whole stack."
    )
    is_on: bool = Field(description="Whether the outlet was switched on.")
    cause: str = Field(description="What switched the outlet, for example `order 12`.")
    boot_id: str = Field(description="Boot of the master, to which `monotonic` belongs.")
    planned: MomentResponse = Field(description="Planned time.")
    before: MomentResponse | None = Field(
        description="Time before the outlet was switched, null if unknown."
    )
    after: MomentResponse | None = Field(
        description="Time after the outlet was switched, null if unknown."
    )
    first_silence: MomentResponse | None = Field(
        description="Time of the first ping without a reply after a power cut, null if not"
        " observed."
    )
    first_answer: MomentResponse | None = Field(
        description="Time of the first reply after power-on, null if not observed."
    )

    @classmethod
    def of(cls, edge: Edge) -> Self:
        """Return the model of an edge."""
        return cls.model_validate(edge, from_attributes=True)


class EdgesQuery(ApiModel):
    """Filters of `GET edges`. An edge must match all given filters."""

    limit: int = Field(default=50, ge=1, le=500, description="Maximum number of edges.")
    before: int | None = omittable(
        ge=1, le=MAX_ROW_ID, description="Edge id. Only older edges are listed.", examples=[120]
    )
    order: int | None = omittable(
        ge=1, le=MAX_ROW_ID, description="Order that switched the outlets.", examples=[12]
    )


def blueprint(document: OpenApiDocument, orders: OrderService) -> Blueprint:
    """Return the route, and declare it in the OpenAPI document."""
    api = Blueprint("edges", __name__, url_prefix=API_PREFIX)

    @api.get("/edges")
    @document.read_endpoint("edges", list[EdgeResponse], query_model=EdgesQuery)
    def list_edges(query: EdgesQuery) -> Response:
        """List changes of the power of stacks and rasps, newest first.

        If there are more changes, `Link` is the URL of the next page.
        """
        cause = None if query.order is None else power_edge_cause(query.order)
        edges = orders.power_edges.list_recent(query.limit + 1, before=query.before, cause=cause)
        return page_response(map(EdgeResponse.of, edges), query.limit)

    return api
