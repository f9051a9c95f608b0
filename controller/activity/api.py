"""API route of the activity."""

import time

from flask import Blueprint, Response

from controller import API_PREFIX
from controller.activity.model import ActivityFilter
from controller.activity.reader import Activity
from controller.activity.schemas import ActivityQuery, ActivityResponse, next_page, page_to_csv
from controller.auth.access_control import current_actor
from controller.web.openapi import OpenApiDocument
from controller.web.paging import add_next_link
from controller.web.responses import conditional_response
from rack.layout import Rack
from rack.targets import parse_targets

_CSV_TYPE = "text/csv"


def blueprint(document: OpenApiDocument, activity: Activity, rack: Rack) -> Blueprint:
    """Return the route, and declare it in the OpenAPI document."""
    api = Blueprint("activity", __name__, url_prefix=API_PREFIX)

    @api.get("/activity")
    @document.read_endpoint(
        "activity", ActivityResponse, query_model=ActivityQuery, text_type=_CSV_TYPE
    )
    def list_activity(query: ActivityQuery) -> Response:
        """List everything that happened in a time, newest first.

        Orders, power edges, states of rasps, alerts, installs, replacements, logins and runs. Roles
        below operator get power edges, states and alerts. If there are more events, `Link` is the
        URL of the next page.
        """
        end = time.time() if query.end is None else query.end
        page = activity.events(
            end - query.seconds,
            end,
            ActivityFilter(
                frozenset(query.kind), parse_targets(rack, query.target), query.actor or ""
            ),
            role=current_actor().role,
            limit=query.limit,
        )
        if query.format == "csv":
            response = conditional_response(page_to_csv(page), f"{_CSV_TYPE}; charset=utf-8")
        else:
            body = ActivityResponse.of(page).model_dump_json()
            response = conditional_response(body, "application/json")
        if following := next_page(page):
            add_next_link(response, end=str(following.end), seconds=str(following.seconds))
        return response

    return api
