"""Lists that are limited in number and bytes. The header `Link` has the URL of the next page."""

from collections.abc import Iterable
from typing import Any, Protocol

from flask import Response, request, url_for

from controller.web.responses import conditional_response

MAX_PAGE_BYTES = 256 * 1024
"""Maximum size of a page, except for a single larger item."""


class Listed(Protocol):
    """A model in a list, in descending order of ids."""

    @property
    def id(self) -> int:
        """Number of the item."""

    def model_dump_json(self) -> str:
        """Return the model as JSON."""


def page_response(models: Iterable[Listed], limit: int) -> Response:
    """Return the first models as a JSON array. Further models are on the next page.

    Args:
        models: Models in descending order of their ids. To detect a next page, pass more than
            `limit`.
        limit: Maximum number of models on the page.
    """
    items: list[str] = []
    size, last_id, has_more = 0, 0, False
    for model in models:
        item = model.model_dump_json()
        size += len(item.encode()) + 1
        if items and (len(items) == limit or size > MAX_PAGE_BYTES):
            has_more = True
            break
        items.append(item)
        last_id = model.id
    response = conditional_response(f"[{','.join(items)}]", "application/json")
    if has_more:
        add_next_link(response, before=str(last_id))
    return response


def add_next_link(response: Response, **changed: str) -> None:
    """Add the URL of the next page, whose query differs from that of the current request.

    Args:
        response: Response with the current page.
        changed: Fields of the query that differ.
    """
    query: dict[str, Any] = request.args.to_dict(flat=False) | changed
    response.headers["Link"] = f'<{url_for(request.endpoint or "", **query)}>; rel="next"'
