"""Who asks, and whether they may: decided before any view of the application is called.

Every view needs a role. One that says nothing needs `viewer` to be looked at and, so that a
forgotten word opens nothing, `admin` for anything else. `requires_role` and `public` say otherwise.
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

from controller.audit import REFUSED, Audit, AuditEvent
from controller.auth.rate_limit import PasswordRateLimiter, RateLimiter, client_network
from controller.auth.roles import Role
from controller.auth.sessions import Sessions
from controller.auth.tokens import Tokens
from controller.auth.users import Users
from controller.web.problems import API_ROOT
from rack.database import Database
from rack.layout import Anonymous

SESSION_COOKIE = "pirack_session"
CSRF_FIELD, CSRF_HEADER = "csrf_token", "X-CSRF-Token"
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})

_ROLE_ATTRIBUTE, _ALLOW_FROM_MASTER_ATTRIBUTE, _SECRET_ATTRIBUTE = (
    "needed_role",
    "is_open_on_master",
    "opening_secret",
)
_BEARER_SCHEME = "bearer"
_ANONYMOUS_NAME, _TOKEN_NAME_PREFIX = "anonymous", "token:"  # no user has such a name

_View = TypeVar("_View", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Actor:
    """Who asks.

    `name` is a user's, `token:NAME` for a program, or `anonymous`; `role` is None for somebody who
    may not even look; `session` is the secret of the session, empty where there is none.
    """

    name: str = _ANONYMOUS_NAME
    role: Role | None = None
    session: str = field(default="", repr=False)

    @property
    def is_anonymous(self) -> bool:
        """Whether nobody knows who it is."""
        return self.name == _ANONYMOUS_NAME

    @property
    def is_program(self) -> bool:
        """Whether it is a program with a token."""
        return self.name.startswith(_TOKEN_NAME_PREFIX)


def requires_role(role: Role) -> Callable[[_View], _View]:
    """Let those alone come to a view whose role covers this one.

    Others get 401 if they have not said who they are, else 403.
    """

    def mark(view: _View) -> _View:
        setattr(view, _ROLE_ATTRIBUTE, role)
        return view

    return mark


def public(view: _View) -> _View:
    """Let everybody come to a view."""
    setattr(view, _ROLE_ATTRIBUTE, None)
    return view


def requires_secret(secret: str) -> Callable[[_View], _View]:
    """Let those alone come to a view who send this secret as a bearer token, and nobody else.

    It is for a program on the master that is no user; neither users nor their tokens get in.
    """

    def mark(view: _View) -> _View:
        setattr(view, _SECRET_ATTRIBUTE, secret)
        return view

    return mark


def allow_from_master(view: _View) -> _View:
    """Let the programs on the master come to a view without saying who they are."""
    setattr(view, _ALLOW_FROM_MASTER_ATTRIBUTE, True)
    return view


def current_actor() -> Actor:
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


class AccessControl:
    """Knows users, tokens, sessions and the audit, and lets requests through or refuses them.

    `password_limiter` counts what is tried as a password.
    """

    def __init__(
        self,
        database: Database,
        *,
        anonymous: Anonymous = "nobody",
        master_addresses: Collection[str] = (),
    ) -> None:
        """Take the parts from a database.

        Args:
            database: pirack.db.
            anonymous: the role of those who have not said who they are, or `nobody`.
            master_addresses: the master's, beside those of loopback.
        """
        self.users = Users(database)
        self.tokens = Tokens(database)
        self.sessions = Sessions(database)
        self.audit = Audit(database)
        self.password_limiter = PasswordRateLimiter()
        self._anonymous_actor = Actor(role=None if anonymous == "nobody" else Role(anonymous))
        self._master_addresses = frozenset(master_addresses)
        self._refusal_limiter = RateLimiter(burst=30, interval=2)

    def register(self, app: Flask) -> None:
        """Guard an app, and tell its templates who asks."""
        app.before_request(self._authorize_request)
        app.after_request(_set_cache_headers)

        @app.context_processor
        def for_templates() -> dict[str, Any]:
            who = current_actor()
            return {"actor": who, "csrf_token": csrf_token(who.session) if who.session else ""}

    def record(self, action: str, targets: str, result: str, detail: str = "") -> int:
        """Record what the one who makes the present request did; return the event's number."""
        return self.audit.record(
            AuditEvent(current_actor().name, client_address(), action, targets, result, detail)
        )

    def _authorize_request(self) -> Response | None:
        if request.endpoint == "static":
            return None
        try:
            if secret := self._required_secret():
                _check_secret(secret)
                return None
            g.actor = self._identify()
            if request.url_rule is not None:  # else there is nothing to guard: 404 or 405
                self._authorize(g.actor)
        except (Unauthorized, Forbidden) as refusal:
            if request.method not in SAFE_METHODS:
                self._record_refusal(refusal.description or "")
            elif isinstance(refusal, Unauthorized) and _is_page_request():
                wanted = request.full_path.rstrip("?")
                return redirect(url_for("sign_in.login", next=wanted if wanted != "/" else None))
            raise
        return None

    def _identify(self) -> Actor:
        credentials = request.authorization
        if credentials is not None and credentials.type == _BEARER_SCHEME:
            token = self.tokens.authenticate(credentials.token or "")
            if token is None:
                raise _unauthorized_error(
                    "this token is wrong, revoked or expired", "invalid_token"
                )
            return Actor(_TOKEN_NAME_PREFIX + token.name, token.role)
        if secret := request.cookies.get(SESSION_COOKIE):
            user = self.sessions.find_user(secret)
            if user is not None:
                return Actor(user.name, user.role, secret)
        return self._anonymous_actor

    def _authorize(self, actor: Actor) -> None:
        is_safe = request.method in SAFE_METHODS
        needed = self._required_role(is_safe=is_safe)
        if needed is not None:
            if actor.is_anonymous and not (is_safe and actor.role and actor.role.includes(needed)):
                raise _unauthorized_error("log in, or send a token")
            if actor.role is None or not actor.role.includes(needed):
                raise Forbidden(f"this needs the role {needed}, and {actor.name} is {actor.role}")
        if not is_safe and not actor.is_program:
            _check_csrf()

    def _required_role(self, *, is_safe: bool) -> Role | None:
        view = current_app.view_functions[request.endpoint or ""]
        if getattr(view, _ALLOW_FROM_MASTER_ATTRIBUTE, False) and self._is_master_address(
            client_address()
        ):
            return None
        needed: Role | None = getattr(view, _ROLE_ATTRIBUTE, Role.VIEWER if is_safe else Role.ADMIN)
        return needed

    def _required_secret(self) -> str:
        view = current_app.view_functions.get(request.endpoint or "")
        secret: str = getattr(view, _SECRET_ATTRIBUTE, "")
        return secret

    def _is_master_address(self, address: str) -> bool:
        return address in self._master_addresses or _is_loopback(address)

    def _record_refusal(self, reason: str) -> None:
        if current_actor().is_anonymous and (
            wait := self._refusal_limiter.hit(client_network(client_address()))
        ):
            raise TooManyRequests("too many refused attempts from this address", retry_after=wait)
        rule = request.url_rule.rule if request.url_rule else ""
        self.record(f"{request.method} {rule}", request.path, REFUSED, reason)


def client_address() -> str:
    """Return the address that the present request comes from."""
    return request.remote_addr or ""


def set_session_cookie(response: Response, secret: str) -> None:
    """Give the browser the secret of a session."""
    response.set_cookie(
        SESSION_COOKIE, secret, httponly=True, samesite="Lax", secure=request.is_secure
    )


def _is_loopback(address: str) -> bool:
    try:
        parsed = ip_address(address)
    except ValueError:
        return False
    return (getattr(parsed, "ipv4_mapped", None) or parsed).is_loopback


def _check_secret(secret: str) -> None:
    credentials = request.authorization
    told = (credentials and credentials.type == _BEARER_SCHEME and credentials.token) or ""
    if not hmac.compare_digest(told.encode("utf-8", "surrogatepass"), secret.encode()):
        raise _unauthorized_error("this is for a program that has another secret", "invalid_token")


def _check_csrf() -> None:
    told = request.headers.get(CSRF_HEADER) or request.form.get(CSRF_FIELD, "")
    secret = request.cookies.get(SESSION_COOKIE, "")
    if not secret or not hmac.compare_digest(told.encode(), csrf_token(secret).encode()):
        raise Forbidden(
            "the CSRF token is missing or not of this session: load the page again, and see that"
            " the browser takes cookies"
        )
    # A browser says where a form stands; whoever got hold of a token still cannot use it elsewhere.
    site = request.headers.get("Origin")
    if site is not None and urlsplit(site).netloc != request.host:
        raise Forbidden("this was sent from a page of another site")


def _unauthorized_error(reason: str, error: str | None = None) -> Unauthorized:
    challenge = WWWAuthenticate(_BEARER_SCHEME, {"realm": "the rack"})
    if error:
        challenge["error"] = error
    return Unauthorized(reason, www_authenticate=challenge)


def _is_page_request() -> bool:
    return not request.path.startswith(API_ROOT)


def _set_cache_headers(response: Response) -> Response:
    if request.endpoint != "static":
        response.vary.update(["Authorization", "Cookie"])
        response.cache_control.private = True
    return response
