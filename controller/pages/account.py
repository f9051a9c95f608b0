"""Account of the current user, and password change."""

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
from controller.errors import AccessError, TooManyAttemptsError, WrongPasswordError

_AUDIT_ACTION = "change password"


def blueprint(access: AccessControl) -> Blueprint:
    """Return the views of `/account`."""
    pages = Blueprint("account", __name__, url_prefix="/account")

    @pages.get("")
    @requires_role(Role.VIEWER)
    def show() -> Response:
        if current_actor().is_anonymous:
            return redirect(url_for("login.show", next=url_for("account.show")))
        return _account_page(_require_user_session(), is_changed="changed" in request.args)

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
            return _account_page(user, str(error), 429, error.wait)
        except WrongPasswordError:
            access.record(_AUDIT_ACTION, user.name, REFUSED, WRONG_PASSWORD)
            return _account_page(user, "The current password is incorrect.", 403)
        new_password = request.form.get("new_password", "")
        if new_password != request.form.get("repeated_password"):
            return _account_page(user, "The two new passwords differ.", 422)
        try:
            access.users.set_password(user.name, new_password)
        except AccessError as error:
            return _account_page(user, f"The new password is not accepted: {error}.", 422)
        access.record(_AUDIT_ACTION, user.name, "ok")
        response = redirect(url_for("account.show", changed=""), 303)
        password_hash = access.users.verified_hash(user.name, new_password) or ""
        set_session_cookie(response, access.sessions.create(user.name, password_hash))
        return response

    return pages


def _require_user_session() -> Actor:
    """Return the current actor if it is a user with a session."""
    actor = current_actor()
    if not actor.session:
        raise Forbidden("API tokens have no account")
    return actor


def _account_page(
    user: Actor,
    error: str = "",
    status: int = 200,
    retry_after: int | None = None,
    *,
    is_changed: bool = False,
) -> Response:
    body = render_template(
        "account.html",
        user=user,
        error=error,
        is_changed=is_changed,
        min_chars=MIN_PASSWORD_CHARS,
        max_chars=MAX_PASSWORD_CHARS,
    )
    response = make_response(body, status)
    response.cache_control.no_store = True
    if retry_after is not None:
        response.headers["Retry-After"] = str(retry_after)
    return response
