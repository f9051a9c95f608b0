"""Log in and log out."""

import re

from flask import Blueprint, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from controller.audit import REFUSED, AuditEvent
from controller.auth.access_control import (
    SESSION_COOKIE,
    AccessControl,
    client_address,
    csrf_token,
    current_actor,
    public,
    set_session_cookie,
)
from controller.auth.passwords import random_secret

# Browsers treat a backslash as a slash and ignore tabs and line breaks.
_LOCAL_PATH = re.compile(r"/(?![/\\])[!-\[\]-~]*")


def blueprint(access: AccessControl) -> Blueprint:
    """Return the views of `/login` and `/logout`."""
    pages = Blueprint("login", __name__)

    @pages.get("/login")
    @public
    def show() -> Response:
        if not current_actor().is_anonymous:
            return redirect(safe_redirect_path(request.args.get("next", "")))
        return _login_page()

    @pages.post("/login")
    @public
    def submit() -> Response:
        name = request.form.get("name", "").strip().lower()
        if wait := access.password_limiter.hit(name, client_address()):
            return _login_page(f"Too many attempts. Try again in {wait} seconds.", 429, wait)
        password_hash = access.users.verified_hash(name, request.form.get("password", ""))
        if password_hash is None:
            # An unknown name is not recorded, because it may be a password in the wrong field.
            actor = name if access.users.exists(name) else "unknown user"
            access.audit.record(
                AuditEvent(actor, client_address(), "log in", "", REFUSED, "wrong password")
            )
            return _login_page("Invalid user name or password.", 403)
        access.password_limiter.refund(name, client_address())
        access.audit.record(AuditEvent(name, client_address(), "log in", "", "ok"))
        response = redirect(safe_redirect_path(request.form.get("next", "")), 303)
        set_session_cookie(response, access.sessions.create(name, password_hash))
        return response

    @pages.post("/logout")
    @public
    def logout() -> Response:
        if current_actor().session:
            access.sessions.delete(current_actor().session)
            access.record("log out", "", "ok")
        response = redirect(url_for("login.show"), 303)
        response.delete_cookie(SESSION_COOKIE)
        return response

    return pages


def safe_redirect_path(path: str) -> str:
    """Return a path if it is on this server, otherwise `/`."""
    return path if _LOCAL_PATH.fullmatch(path) else "/"


def _login_page(error: str = "", status: int = 200, retry_after: int | None = None) -> Response:
    # Before login, the CSRF token is derived from a random secret in the same cookie.
    secret = request.cookies.get(SESSION_COOKIE) or random_secret()
    body = render_template(
        "login.html",
        error=error,
        csrf_token=csrf_token(secret),
        next=safe_redirect_path(request.values.get("next", "")),
        name=request.form.get("name", ""),
    )
    response = make_response(body, status)
    response.cache_control.no_store = True
    if retry_after is not None:
        response.headers["Retry-After"] = str(retry_after)
    set_session_cookie(response, secret)
    return response
