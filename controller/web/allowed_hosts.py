"""Validation of the `Host` header against DNS rebinding.

Another site can resolve its own name to the controller's address. Scripts of that site could then
read everything that anonymous users can read. Requests by address or by a name of the controller
are safe.
"""

import socket
from collections.abc import Collection
from ipaddress import ip_address
from urllib.parse import urlsplit

from flask import Flask, request
from werkzeug.exceptions import BadRequest


def local_host_names() -> set[str]:
    """Return the host names of this machine, including its mDNS name."""
    name = socket.gethostname().lower()
    return {"localhost", name, f"{name}.local"}


def is_allowed_host(host: str, allowed_hosts: Collection[str]) -> bool:
    """Return whether a `Host` header contains an address or an allowed name."""
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
    """Reject requests with any other `Host` header."""

    @app.before_request
    def reject_unknown_host() -> None:
        if not is_allowed_host(request.host, allowed_hosts):
            raise BadRequest(
                f"unknown host name {request.host[:100]!r}: add it to access.hosts in rack.toml"
            )
