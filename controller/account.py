"""One's own account: who one is, and the change of one's password."""

from flask import Blueprint, make_response, redirect, render_template, request, url_for
from werkzeug.exceptions import Forbidden
from werkzeug.wrappers import Response

from controller.access import Access, Actor, actor, needs, origin, set_session
from controller.audit import REFUSED
from controller.credentials import LONGEST_PASSWORD, SHORTEST_PASSWORD
from controller.errors import AccessError
from controller.roles import Role

_CHANGE = "change password"


def blueprint(access: Access) -> Blueprint:
    """Return `/account` and what belongs to it."""
    pages = Blueprint("account", __name__, url_prefix="/account")

    @pages.get("")
    @needs(Role.VIEWER)
    def show() -> Response:
        if actor().is_anonymous:
            return redirect(url_for("sign_in.login", next=request.path))
        return _page(_user(), is_changed="changed" in request.args)

    @pages.post("/password")
    @needs(Role.VIEWER)
    def change_password() -> Response:
        user = _user()
        if wait := access.guesses.take(user.name, origin()):
            return _page(user, f"Too many attempts. Try again in {wait} seconds.", 429, wait)
        if access.users.proof(user.name, request.form.get("password", "")) is None:
            access.record(_CHANGE, user.name, REFUSED, "wrong password")
            return _page(user, "The present password is another.", 403)
        access.guesses.give_back(user.name, origin())
        new = request.form.get("new", "")
        if new != request.form.get("again"):
            return _page(user, "The two new passwords differ.", 422)
        try:
            access.users.set_password(user.name, new)
        except AccessError as error:
            return _page(user, f"This will not do: {error}.", 422)
        access.record(_CHANGE, user.name, "ok")
        response = redirect(url_for("account.show", changed=""), 303)
        proof = access.users.proof(user.name, new) or ""
        set_session(response, access.sessions.begin(user.name, proof))
        return response

    return pages


def _user() -> Actor:
    """Return who asks, if it is a user."""
    who = actor()
    if not who.session:
        raise Forbidden("a token has no account")
    return who


def _page(
    user: Actor,
    trouble: str = "",
    status: int = 200,
    retry_after: int | None = None,
    *,
    is_changed: bool = False,
) -> Response:
    body = render_template(
        "account.html",
        user=user,
        trouble=trouble,
        is_changed=is_changed,
        shortest=SHORTEST_PASSWORD,
        longest=LONGEST_PASSWORD,
    )
    response = make_response(body, status)
    response.cache_control.no_store = True
    if retry_after is not None:
        response.headers["Retry-After"] = str(retry_after)
    return response
