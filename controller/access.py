"""Who asks, and whether they may: decided before any view of the application is called.

Every view needs a role. One that says nothing needs `viewer` to be looked at and, so that a
forgotten word opens nothing, `admin` for anything else. `needs` and `open_to_all` say otherwise.
"""

import hmac
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from hashlib import sha256
from ipaddress import ip_address
from typing import Any, TypeVar
from urllib.parse import urlsplit

from flask import Flask, current_app, g, redirect, request, url_for
from werkzeug.datastructures import WWWAuthenticate
from werkzeug.exceptions import Forbidden, TooManyRequests, Unauthorized
from werkzeug.wrappers import Response

from controller.attempts import Attempts, PasswordAttempts, network
from controller.audit import REFUSED, Audit, Event
from controller.problems import API_PREFIX
from controller.roles import Role
from controller.sessions import Sessions
from controller.tokens import Tokens
from controller.users import Users
from rack.database import Database
from rack.layout import Anonymous

COOKIE = "pirack_session"
CSRF_FIELD, CSRF_HEADER = "csrf_token", "X-CSRF-Token"
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})

_ROLE, _ON_MASTER, _SECRET = "needed_role", "is_open_on_master", "opening_secret"
_BEARER = "bearer"
_ANONYMOUS, _TOKEN = "anonymous", "token:"  # no user has such a name

_View = TypeVar("_View", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Actor:
    """Who asks.

    `name` is a user's, `token:NAME` for a program, or `anonymous`; `role` is None for somebody who
    may not even look; `session` is the secret of the session, empty where there is none.
    """

    name: str = _ANONYMOUS
    role: Role | None = None
    session: str = field(default="", repr=False)

    @property
    def is_anonymous(self) -> bool:
        """Whether nobody knows who it is."""
        return self.name == _ANONYMOUS

    @property
    def is_program(self) -> bool:
        """Whether it is a program with a token."""
        return self.name.startswith(_TOKEN)


def needs(role: Role) -> Callable[[_View], _View]:
    """Let those alone come to a view whose role covers this one.

    Others get 401 if they have not said who they are, else 403.
    """

    def mark(view: _View) -> _View:
        setattr(view, _ROLE, role)
        return view

    return mark


def open_to_all(view: _View) -> _View:
    """Let everybody come to a view."""
    setattr(view, _ROLE, None)
    return view


def opened_by(secret: str) -> Callable[[_View], _View]:
    """Let those alone come to a view who send this secret as a bearer token, and nobody else.

    It is for a program on the master that is no user; neither users nor their tokens get in.
    """

    def mark(view: _View) -> _View:
        setattr(view, _SECRET, secret)
        return view

    return mark


def open_on_master(view: _View) -> _View:
    """Let the programs on the master come to a view without saying who they are."""
    setattr(view, _ON_MASTER, True)
    return view


def actor() -> Actor:
    """Return who makes the present request."""
    who: Actor = g.get("actor", Actor())
    return who


def csrf_token(secret: str) -> str:
    """Return what a form must send along to show that it is a page of ours.

    It is bound to the secret in the browser's cookie, which another site can neither read nor
    guess, and it is the same for a whole session. (Flask-WTF's changes with each second, so that no
    page with a form in it could ever be answered by a short 304.)
    """
    return hmac.new(secret.encode("utf-8", "surrogatepass"), b"csrf", sha256).hexdigest()


class Access:
    """Knows users, tokens, sessions and the audit, and lets requests through or refuses them.

    `guesses` counts what is tried as a password.
    """

    def __init__(
        self,
        database: Database,
        *,
        anonymous: Anonymous = "nobody",
        own_addresses: Collection[str] = (),
    ) -> None:
        """Take the parts from a database.

        Args:
            database: pirack.db.
            anonymous: the role of those who have not said who they are, or `nobody`.
            own_addresses: the master's, beside those of loopback.
        """
        self.users = Users(database)
        self.tokens = Tokens(database)
        self.sessions = Sessions(database)
        self.audit = Audit(database)
        self.guesses = PasswordAttempts()
        self._anonymous = Actor(role=None if anonymous == "nobody" else Role(anonymous))
        self._own_addresses = frozenset(own_addresses)
        self._strangers = Attempts(at_once=30, seconds_each=2)

    def register(self, app: Flask) -> None:
        """Guard an app, and tell its templates who asks."""
        app.before_request(self._guard)
        app.after_request(_keep_private)

        @app.context_processor
        def for_templates() -> dict[str, Any]:
            who = actor()
            return {"actor": who, "csrf_token": csrf_token(who.session) if who.session else ""}

    def record(self, what: str, targets: str, result: str, detail: str = "") -> int:
        """Record what the one who makes the present request did; return the event's number."""
        return self.audit.record(Event(actor().name, origin(), what, targets, result, detail))

    def _guard(self) -> Response | None:
        if request.endpoint == "static":
            return None
        try:
            if secret := self._opening_secret():
                _check_secret(secret)
                return None
            g.actor = self._identify()
            if request.url_rule is not None:  # else there is nothing to guard: 404 or 405
                self._admit(g.actor)
        except (Unauthorized, Forbidden) as refusal:
            if request.method not in SAFE_METHODS:
                self._record_refusal(refusal.description or "")
            elif isinstance(refusal, Unauthorized) and _is_page():
                wanted = request.full_path.rstrip("?")
                return redirect(url_for("sign_in.login", next=wanted if wanted != "/" else None))
            raise
        return None

    def _identify(self) -> Actor:
        credentials = request.authorization
        if credentials is not None and credentials.type == _BEARER:
            token = self.tokens.find(credentials.token or "")
            if token is None:
                raise _unauthorized("this token is wrong, revoked or expired", "invalid_token")
            return Actor(_TOKEN + token.name, token.role)
        if secret := request.cookies.get(COOKIE):
            user = self.sessions.user(secret)
            if user is not None:
                return Actor(user.name, user.role, secret)
        return self._anonymous

    def _admit(self, who: Actor) -> None:
        is_safe = request.method in SAFE_METHODS
        needed = self._needed_role(is_safe=is_safe)
        if needed is not None:
            if who.is_anonymous and not (is_safe and who.role and who.role.covers(needed)):
                raise _unauthorized("log in, or send a token")
            if who.role is None or not who.role.covers(needed):
                raise Forbidden(f"this needs the role {needed}, and {who.name} is {who.role}")
        if not is_safe and not who.is_program:
            _check_csrf()

    def _needed_role(self, *, is_safe: bool) -> Role | None:
        view = current_app.view_functions[request.endpoint or ""]
        if getattr(view, _ON_MASTER, False) and self._is_on_master(origin()):
            return None
        needed: Role | None = getattr(view, _ROLE, Role.VIEWER if is_safe else Role.ADMIN)
        return needed

    def _opening_secret(self) -> str:
        view = current_app.view_functions.get(request.endpoint or "")
        secret: str = getattr(view, _SECRET, "")
        return secret

    def _is_on_master(self, address: str) -> bool:
        return address in self._own_addresses or _is_loopback(address)

    def _record_refusal(self, why: str) -> None:
        if actor().is_anonymous and (wait := self._strangers.take(network(origin()))):
            raise TooManyRequests("too many refused attempts from this address", retry_after=wait)
        rule = request.url_rule.rule if request.url_rule else ""
        self.record(f"{request.method} {rule}", request.path, REFUSED, why)


def origin() -> str:
    """Return the address that the present request comes from."""
    return request.remote_addr or ""


def set_session(response: Response, secret: str) -> None:
    """Give the browser the secret of a session."""
    response.set_cookie(COOKIE, secret, httponly=True, samesite="Lax", secure=request.is_secure)


def _is_loopback(address: str) -> bool:
    try:
        parsed = ip_address(address)
    except ValueError:
        return False
    return (getattr(parsed, "ipv4_mapped", None) or parsed).is_loopback


def _check_secret(secret: str) -> None:
    credentials = request.authorization
    told = (credentials and credentials.type == _BEARER and credentials.token) or ""
    if not hmac.compare_digest(told.encode("utf-8", "surrogatepass"), secret.encode()):
        raise _unauthorized("this is for a program that has another secret", "invalid_token")


def _check_csrf() -> None:
    told = request.headers.get(CSRF_HEADER) or request.form.get(CSRF_FIELD, "")
    secret = request.cookies.get(COOKIE, "")
    if not secret or not hmac.compare_digest(told.encode(), csrf_token(secret).encode()):
        raise Forbidden(
            "the CSRF token is missing or not of this session: load the page again, and see that"
            " the browser takes cookies"
        )
    # A browser says where a form stands; whoever got hold of a token still cannot use it elsewhere.
    site = request.headers.get("Origin")
    if site is not None and urlsplit(site).netloc != request.host:
        raise Forbidden("this was sent from a page of another site")


def _unauthorized(why: str, error: str | None = None) -> Unauthorized:
    challenge = WWWAuthenticate(_BEARER, {"realm": "the rack"})
    if error:
        challenge["error"] = error
    return Unauthorized(why, www_authenticate=challenge)


def _is_page() -> bool:
    return not request.path.startswith(API_PREFIX)


def _keep_private(response: Response) -> Response:
    if request.endpoint != "static":
        response.vary.update(["Authorization", "Cookie"])
        response.cache_control.private = True
    return response
