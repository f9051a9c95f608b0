"""Log in and log out."""

from flask import Blueprint, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from controller.audit import LOG_OUT_ACTION
from controller.auth.access_control import (
    SESSION_COOKIE,
    AccessControl,
    client_address,
    current_actor,
    public,
    session_cookie_path,
    set_session_cookie,
)
from controller.auth.csrf import csrf_token
from controller.auth.login import log_in
from controller.auth.passwords import random_secret
from controller.errors import TooManyAttemptsError, WrongPasswordError
from controller.web.local_paths import safe_redirect_path


def blueprint(access: AccessControl) -> Blueprint:
    """Return the views of `/login` and `/logout`."""
    pages = Blueprint("login", __name__)

    @pages.get("/login")
    @public
    def show() -> Response:
        if not current_actor().is_anonymous:
            return redirect(_next_path())
        return _login_page()

    @pages.post("/login")
    @public
    def submit() -> Response:
        name = request.form.get("name", "").strip().lower()
        password = request.form.get("password", "")
        try:
            session = log_in(access, name, password, client_address(), request.user_agent.string)
        except TooManyAttemptsError as error:
            return _login_page(str(error), 429, error.wait)
        except WrongPasswordError as error:
            return _login_page(str(error), 403)
        response = redirect(_next_path(), 303)
        set_session_cookie(response, session)
        return response

    @pages.post("/logout")
    @public
    def logout() -> Response:
        if current_actor().session:
            access.sessions.delete(current_actor().session)
            access.record(LOG_OUT_ACTION, "", "ok")
        response = redirect(url_for("login.show"), 303)
        response.delete_cookie(SESSION_COOKIE, path=session_cookie_path())
        return response

    return pages


def _next_path() -> str:
    return safe_redirect_path(request.values.get("next", ""), url_for("rack.show"))


def _login_page(error: str = "", status: int = 200, retry_after: int | None = None) -> Response:
    # Before login, the CSRF token is derived from a random secret in the same cookie.
    secret = request.cookies.get(SESSION_COOKIE) or random_secret()
    body = render_template(
        "login.html",
        error=error,
        csrf_token=csrf_token(secret),
        next=_next_path(),
        name=request.form.get("name", ""),
    )
    response = make_response(body, status)
    response.cache_control.no_store = True
    if retry_after is not None:
        response.headers["Retry-After"] = str(retry_after)
    set_session_cookie(response, secret)
    return response
