"""Account of the current user: theme, sessions, API tokens and password."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from flask import Blueprint, make_response, redirect, render_template, request, url_for
from werkzeug.exceptions import Forbidden
from werkzeug.wrappers import Response

from controller.audit import REFUSED, WRONG_PASSWORD
from controller.auth.access_control import (
    AccessControl,
    Actor,
    client_address,
    current_actor,
    requires_role,
    set_session_cookie,
)
from controller.auth.login import check_password
from controller.auth.passwords import MAX_PASSWORD_CHARS, MIN_PASSWORD_CHARS
from controller.auth.roles import Role
from controller.auth.sessions import session_id
from controller.errors import AccessError, TooManyAttemptsError, WrongPasswordError
from controller.pages.theme import Theme, parse_theme, set_theme_cookie
from controller.pages.user_agent import describe_user_agent

_SECONDS_PER_DAY = 86400.0
_LIFETIMES: Mapping[str, str] = {
    "30": "in 30 days",
    "90": "in 90 days",
    "365": "in a year",
    "never": "never",
}
"""Days until a new token expires, and their label."""

_NOTICES: Mapping[str, str] = {
    "password": "Your password was changed. All your other sessions were ended.",
    "session": "The session was ended.",
    "sessions": "All your other sessions were ended.",
    "token": "The token was revoked.",
}
"""Notices by the value of `done` in the query."""


def blueprint(access: AccessControl) -> Blueprint:
    """Return the views of `/account`."""
    pages = Blueprint("account", __name__, url_prefix="/account")
    pages.add_app_template_filter(describe_user_agent)

    @pages.get("")
    @requires_role(Role.VIEWER)
    def show() -> Response:
        if current_actor().is_anonymous:
            return redirect(url_for("login.show", next=url_for("account.show")))
        notice = _NOTICES.get(request.args.get("done", ""), "")
        return _account_page(access, _require_user_session(), notice=notice)

    @pages.post("/theme")
    @requires_role(Role.VIEWER)
    def set_theme() -> Response:
        _require_user_session()
        response = redirect(url_for("account.show"), 303)
        set_theme_cookie(response, parse_theme(request.form.get("theme", "")))
        return response

    _add_password_view(pages, access)
    _add_session_views(pages, access)
    _add_token_views(pages, access)
    return pages


def _add_password_view(pages: Blueprint, access: AccessControl) -> None:
    action = "change password"

    @pages.post("/password")
    @requires_role(Role.VIEWER)
    def change_password() -> Response:
        user = _require_user_session()
        current_password = request.form.get("current_password", "")
        try:
            check_password(
                access, user.name, current_password, client_address(), session=user.session
            )
        except TooManyAttemptsError as error:
            response = _account_page(access, user, HTTPStatus.TOO_MANY_REQUESTS, error=str(error))
            response.headers["Retry-After"] = str(error.wait)
            return response
        except WrongPasswordError:
            access.record(action, user.name, REFUSED, WRONG_PASSWORD)
            return _account_page(
                access, user, HTTPStatus.FORBIDDEN, error="The current password is incorrect."
            )
        new_password = request.form.get("new_password", "")
        if new_password != request.form.get("repeated_password"):
            return _invalid(access, user, "The two new passwords differ.")
        try:
            access.users.set_password(user.name, new_password)
        except AccessError as error:
            return _invalid(access, user, f"The new password is not accepted: {error}.")
        access.record(action, user.name, "ok")
        response = _done("password")
        session = access.sessions.create(
            user.name,
            access.users.verified_hash(user.name, new_password) or "",
            client_address=client_address(),
            user_agent=request.user_agent.string,
        )
        set_session_cookie(response, session)
        return response


def _add_session_views(pages: Blueprint, access: AccessControl) -> None:
    @pages.post("/sessions/end")
    @requires_role(Role.VIEWER)
    def end_session() -> Response:
        user, session = _require_user_session(), request.form.get("session", "")
        if not access.sessions.end(user.name, session):
            return _account_page(
                access, user, HTTPStatus.NOT_FOUND, error="This session has already ended."
            )
        access.record("end session", user.name, "ok")
        return _done("session")

    @pages.post("/sessions/end-others")
    @requires_role(Role.VIEWER)
    def end_other_sessions() -> Response:
        user = _require_user_session()
        count = access.sessions.end_others(user.name, user.session)
        access.record("end other sessions", user.name, "ok", f"{count} ended")
        return _done("sessions")


def _add_token_views(pages: Blueprint, access: AccessControl) -> None:
    @pages.post("/tokens")
    @requires_role(Role.VIEWER)
    def add_token() -> Response:
        user, form = _require_user_session(), request.form
        name, role, days = (form.get(field, "") for field in ("token", "role", "days"))
        if role not in set(Role) or days not in _LIFETIMES:
            return _invalid(access, user, "Select a role, and when the token expires.")
        lifetime = float(days) * _SECONDS_PER_DAY if days.isdecimal() else None
        try:
            secret = access.tokens.add_for_user(user.name, name, Role(role), lifetime=lifetime)
        except AccessError as error:
            return _invalid(access, user, f"The token was not created: {error}.")
        access.record("add token", f"{user.name}/{name}", "ok", role)
        # The secret is shown in this response only, because it is not stored.
        return _account_page(access, user, new_token=name, secret=secret)

    @pages.post("/tokens/revoke")
    @requires_role(Role.VIEWER)
    def revoke_token() -> Response:
        user, name = _require_user_session(), request.form.get("token", "")
        try:
            access.tokens.revoke(name, owner=user.name)
        except AccessError as error:
            return _account_page(
                access, user, HTTPStatus.NOT_FOUND, error=f"The token was not revoked: {error}."
            )
        access.record("revoke token", name, "ok")
        return _done("token")


def _require_user_session() -> Actor:
    """Return the current actor if it is a user with a session."""
    actor = current_actor()
    if not actor.session:
        raise Forbidden("API tokens have no account")
    return actor


def _done(notice: str) -> Response:
    return redirect(url_for("account.show", done=notice), 303)


def _invalid(access: AccessControl, user: Actor, error: str) -> Response:
    return _account_page(access, user, HTTPStatus.UNPROCESSABLE_ENTITY, error=error)


def _account_page(
    access: AccessControl, user: Actor, status: HTTPStatus = HTTPStatus.OK, **context: Any
) -> Response:
    """Return the page. The context is an error, a notice, or a new token and its secret."""
    body = render_template(
        "account.html",
        user=user,
        sessions=access.sessions.list_of(user.name),
        current_session=session_id(user.session),
        tokens=access.tokens.all(user.name),
        roles=[role for role in Role if user.role and user.role.includes(role)],
        lifetimes=_LIFETIMES,
        themes=Theme,
        min_chars=MIN_PASSWORD_CHARS,
        max_chars=MAX_PASSWORD_CHARS,
        **context,
    )
    response = make_response(body, status)
    response.cache_control.no_store = True
    return response
