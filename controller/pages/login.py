"""Logging in and out."""

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

# Browsers take a backslash for a slash, and leave out tabs and line breaks.
_LOCAL_PATH = re.compile(r"/(?![/\\])[!-\[\]-~]*")


def blueprint(access: AccessControl) -> Blueprint:
    """Return `/login` and `/logout`."""
    pages = Blueprint("sign_in", __name__)

    @pages.get("/login")
    @public
    def login() -> Response:
        if not current_actor().is_anonymous:
            return redirect(safe_redirect_path(request.args.get("next", "")))
        return _login_page()

    @pages.post("/login")
    @public
    def try_login() -> Response:
        name = request.form.get("name", "").strip().lower()
        if wait := access.password_limiter.hit(name, client_address()):
            return _login_page(f"Too many attempts. Try again in {wait} seconds.", 429, wait)
        proof = access.users.verified_hash(name, request.form.get("password", ""))
        if proof is None:
            # A name that nobody has may be a password, typed into the wrong field.
            who = name if access.users.exists(name) else "unknown user"
            access.audit.record(
                AuditEvent(who, client_address(), "log in", "", REFUSED, "wrong password")
            )
            return _login_page("There is no such user, or the password is another.", 403)
        access.password_limiter.refund(name, client_address())
        access.audit.record(AuditEvent(name, client_address(), "log in", "", "ok"))
        response = redirect(safe_redirect_path(request.form.get("next", "")), 303)
        set_session_cookie(response, access.sessions.create(name, proof))
        return response

    @pages.post("/logout")
    @public
    def logout() -> Response:
        if current_actor().session:
            access.sessions.delete(current_actor().session)
            access.record("log out", "", "ok")
        response = redirect(url_for("sign_in.login"), 303)
        response.delete_cookie(SESSION_COOKIE)
        return response

    return pages


def safe_redirect_path(target: str) -> str:
    """Return a path to go on to, the first page in place of anything that may lead elsewhere."""
    return target if _LOCAL_PATH.fullmatch(target) else "/"


def _login_page(error: str = "", status: int = 200, retry_after: int | None = None) -> Response:
    # The form needs a secret to be bound to before there is a session.
    secret = request.cookies.get(SESSION_COOKIE) or random_secret()
    body = render_template(
        "login.html",
        trouble=error,
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
