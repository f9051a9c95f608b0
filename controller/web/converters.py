"""Variables in the paths of URLs, in addition to those of werkzeug."""

from flask import Flask
from werkzeug.routing import BaseConverter


class RaspConverter(BaseConverter):
    """A rasp: its id (`10`), name (`03-2`), host name (`rasp-03-2`) or place (`3/2`).

    The view resolves the text with `rack.targets.resolve_slot`.
    """

    name = "rasp"
    regex = r"[0-9]+(?:/[0-9]+)?|(?:[Rr][Aa][Ss][Pp]-)?[0-9]+-[0-9]+"
    part_isolating = False  # a place contains a slash


def register(app: Flask) -> None:
    """Add the converters to an application, before its routes."""
    app.url_map.converters[RaspConverter.name] = RaspConverter
