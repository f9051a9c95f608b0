"""By which names the controller answers.

A page of another site may make a browser believe that the site's name is at the controller's
address (DNS rebinding), and could then read what anonymous readers may. It cannot do so with an
address, nor with a name of ours.
"""

import socket
from collections.abc import Collection
from ipaddress import ip_address
from urllib.parse import urlsplit

from flask import Flask, request
from werkzeug.exceptions import BadRequest


def local_host_names() -> set[str]:
    """Return this machine's names: as it calls itself, and as mDNS does."""
    name = socket.gethostname().lower()
    return {"localhost", name, f"{name}.local"}


def is_allowed_host(host: str, allowed_hosts: Collection[str]) -> bool:
    """Tell whether a `Host` header has an address or one of these names, with a port or without."""
    try:
        name = urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return False
    if name.rstrip(".") in allowed_hosts:
        return True
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


def register(app: Flask, allowed_hosts: Collection[str]) -> None:
    """Let the app answer to these names and to addresses alone."""

    @app.before_request
    def refuse_other_names() -> None:
        if not is_allowed_host(request.host, allowed_hosts):
            raise BadRequest(
                f"this controller does not go by the name {request.host[:100]!r}:"
                " add it to access.hosts in rack.toml"
            )
