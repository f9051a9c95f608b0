"""Rendered pages, which are sent again while they would show the same.

A page shows what its template reads: the values that it gets, the address of the request, and the
time of day. If the address and all values equal those of an earlier rendering, the rendering is
sent again, or 304 if the client has it. Each change of a value renders the page, also of a value
that the page does not show. Its context must therefore contain only what it shows.
"""

import time
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import Any

from flask import Response, current_app, request

from controller.auth.access_control import current_actor
from controller.cache import LruCache
from controller.web.responses import Representation, respond

_MAX_PAGES = 32
_MAX_AGE = 5.0  # relative times change without any change of the values
_FLASK_CONTEXT = frozenset({"g", "request", "session"})


@dataclass(frozen=True, slots=True)
class _Rendering:
    """A rendered page, the values of its template, and the monotonic time of the rendering."""

    values: Mapping[str, Any]
    rendered_at: float
    representation: Representation


class PageCache:
    """The latest renderings of pages. Thread-safe.

    Values are compared by `==`, and must not be modified afterwards.

    Args:
        max_age: Seconds after which a page is rendered again, because the time of day changes
            relative times. Its ETag stays the same if its text does.
        clock: Returns monotonic seconds.
    """

    def __init__(
        self, *, max_age: float = _MAX_AGE, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._max_age = max_age
        self._clock = clock
        self._renderings: LruCache[Hashable, _Rendering] = LruCache(_MAX_PAGES)

    def render_page(self, template: str, **context: Any) -> Response:
        """Return a rendered template, or 304 if the client has it."""
        # The context processors run once, so that the compared values are the rendered ones.
        current_app.update_template_context(context)
        values = {name: context[name] for name in context.keys() - _FLASK_CONTEXT}
        # Templates read the path, the query and the script root. The rest keeps apart the pages of
        # users, and the updates of pages.
        key = (
            *(template, request.script_root, request.full_path),
            *(current_actor(), request.headers.get("Prefer")),
        )
        now = self._clock()
        known = self._renderings.get(key)
        if known is None or now - known.rendered_at >= self._max_age or known.values != values:
            text = current_app.jinja_env.get_template(template).render(context)
            known = _Rendering(values, now, Representation(text))
            self._renderings.put(key, known)
        return respond(known.representation)
