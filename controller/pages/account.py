"""One's own account: who one is, and the change of one's password."""

from flask import Blueprint, make_response, redirect, render_template, request, url_for
from werkzeug.exceptions import Forbidden
from werkzeug.wrappers import Response

from controller.audit import REFUSED
from controller.auth.access_control import (
    AccessControl,
    Actor,
    client_address,
    current_actor,
    requires_role,
    set_session_cookie,
)
from controller.auth.passwords import MAX_PASSWORD_CHARS, MIN_PASSWORD_CHARS
from controller.auth.roles import Role
from controller.errors import AccessError

_CHANGE_PASSWORD = "change password"


def blueprint(access: AccessControl) -> Blueprint:
    """Return `/account` and what belongs to it."""
    pages = Blueprint("account", __name__, url_prefix="/account")

    @pages.get("")
    @requires_role(Role.VIEWER)
    def show() -> Response:
        if current_actor().is_anonymous:
            return redirect(url_for("sign_in.login", next=request.path))
        return _account_page(_require_user_session(), is_changed="changed" in request.args)

    @pages.post("/password")
    @requires_role(Role.VIEWER)
    def change_password() -> Response:
        user = _require_user_session()
        if wait := access.password_limiter.hit(user.name, client_address()):
            return _account_page(
                user, f"Too many attempts. Try again in {wait} seconds.", 429, wait
            )
        if access.users.verified_hash(user.name, request.form.get("password", "")) is None:
            access.record(_CHANGE_PASSWORD, user.name, REFUSED, "wrong password")
            return _account_page(user, "The present password is another.", 403)
        access.password_limiter.refund(user.name, client_address())
        new = request.form.get("new", "")
        if new != request.form.get("again"):
            return _account_page(user, "The two new passwords differ.", 422)
        try:
            access.users.set_password(user.name, new)
        except AccessError as error:
            return _account_page(user, f"This will not do: {error}.", 422)
        access.record(_CHANGE_PASSWORD, user.name, "ok")
        response = redirect(url_for("account.show", changed=""), 303)
        proof = access.users.verified_hash(user.name, new) or ""
        set_session_cookie(response, access.sessions.create(user.name, proof))
        return response

    return pages


def _require_user_session() -> Actor:
    """Return who asks, if it is a user."""
    who = current_actor()
    if not who.session:
        raise Forbidden("a token has no account")
    return who


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
        trouble=error,
        is_changed=is_changed,
        shortest=MIN_PASSWORD_CHARS,
        longest=MAX_PASSWORD_CHARS,
    )
    response = make_response(body, status)
    response.cache_control.no_store = True
    if retry_after is not None:
        response.headers["Retry-After"] = str(retry_after)
    return response
