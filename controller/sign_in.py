"""Logging in and out."""

import re

from flask import Blueprint, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from controller.access import (
    COOKIE,
    Access,
    actor,
    csrf_token,
    open_to_all,
    origin,
    set_session,
)
from controller.audit import REFUSED, Event
from controller.credentials import random_secret

# Browsers take a backslash for a slash, and leave out tabs and line breaks.
_PATH_OF_OURS = re.compile(r"/(?![/\\])[!-\[\]-~]*")


def blueprint(access: Access) -> Blueprint:
    """Return `/login` and `/logout`."""
    pages = Blueprint("sign_in", __name__)

    @pages.get("/login")
    @open_to_all
    def login() -> Response:
        if not actor().is_anonymous:
            return redirect(path_of_ours(request.args.get("next", "")))
        return _page()

    @pages.post("/login")
    @open_to_all
    def try_login() -> Response:
        name = request.form.get("name", "").strip().lower()
        if wait := access.guesses.take(name, origin()):
            return _page(f"Too many attempts. Try again in {wait} seconds.", 429, wait)
        proof = access.users.proof(name, request.form.get("password", ""))
        if proof is None:
            # A name that nobody has may be a password, typed into the wrong field.
            who = name if access.users.exists(name) else "unknown user"
            access.audit.record(Event(who, origin(), "log in", "", REFUSED, "wrong password"))
            return _page("There is no such user, or the password is another.", 403)
        access.guesses.give_back(name, origin())
        access.audit.record(Event(name, origin(), "log in", "", "ok"))
        response = redirect(path_of_ours(request.form.get("next", "")), 303)
        set_session(response, access.sessions.begin(name, proof))
        return response

    @pages.post("/logout")
    @open_to_all
    def logout() -> Response:
        if actor().session:
            access.sessions.end(actor().session)
            access.record("log out", "", "ok")
        response = redirect(url_for("sign_in.login"), 303)
        response.delete_cookie(COOKIE)
        return response

    return pages


def path_of_ours(target: str) -> str:
    """Return a path to go on to, the first page in place of anything that may lead elsewhere."""
    return target if _PATH_OF_OURS.fullmatch(target) else "/"


def _page(trouble: str = "", status: int = 200, retry_after: int | None = None) -> Response:
    # The form needs a secret to be bound to before there is a session.
    secret = request.cookies.get(COOKIE) or random_secret()
    body = render_template(
        "login.html",
        trouble=trouble,
        csrf_token=csrf_token(secret),
        next=path_of_ours(request.values.get("next", "")),
        name=request.form.get("name", ""),
    )
    response = make_response(body, status)
    response.cache_control.no_store = True
    if retry_after is not None:
        response.headers["Retry-After"] = str(retry_after)
    set_session(response, secret)
    return response
