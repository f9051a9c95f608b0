"""Authentication and authorization of each request before its view is called.

By default, safe methods require the role `viewer`, and all other methods require `admin`. A missing
decorator therefore fails closed. `requires_role` and `public` change the required role of a view.
"""

import hmac
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any, TypeVar

from flask import Flask, current_app, g, redirect, request, url_for
from werkzeug.datastructures import WWWAuthenticate
from werkzeug.exceptions import Forbidden, TooManyRequests, Unauthorized
from werkzeug.wrappers import Response

from controller import API_PREFIX
from controller.audit import REFUSED, Audit, AuditEvent
from controller.auth.csrf import check_csrf, csrf_token
from controller.auth.rate_limit import PasswordRateLimiter, RateLimiter, client_network
from controller.auth.roles import Role
from controller.auth.sessions import Sessions
from controller.auth.tokens import TOKEN_ACTOR_PREFIX, Tokens
from controller.auth.users import Users
from rack.database import Database
from rack.settings import Anonymous

SESSION_COOKIE = "pirack_session"
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})

# Attributes of views, set by the decorators below.
_ROLE_ATTRIBUTE = "required_role"
_BEARER_ATTRIBUTE = "required_bearer"
_ALLOW_FROM_MASTER_ATTRIBUTE = "allows_master"
_BEARER_SCHEME = "bearer"
_ANONYMOUS_NAME = "anonymous"  # not valid as a user name

_View = TypeVar("_View", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Actor:
    """User or program that sends a request.

    Attributes:
        name: User name, `token:NAME` of a program, or `anonymous`.
        role: Role, None without any permission.
        session: Secret of the session, empty without a session.
    """

    name: str = _ANONYMOUS_NAME
    role: Role | None = None
    session: str = field(default="", repr=False)

    @property
    def is_anonymous(self) -> bool:
        """Whether the request has no valid session or token."""
        return self.name == _ANONYMOUS_NAME

    @property
    def has_controls(self) -> bool:
        """Whether pages show controls: operators have them, with a session for the CSRF token."""
        return bool(self.session and self.role and self.role.includes(Role.OPERATOR))

    @property
    def is_program(self) -> bool:
        """Whether the request has an API token."""
        return self.name.startswith(TOKEN_ACTOR_PREFIX)


def requires_role(role: Role) -> Callable[[_View], _View]:
    """Require a role for a view.

    Anonymous requests get 401. Other requests without the role get 403.
    """

    def mark(view: _View) -> _View:
        setattr(view, _ROLE_ATTRIBUTE, role)
        return view

    return mark


def public(view: _View) -> _View:
    """Allow all requests to a view."""
    setattr(view, _ROLE_ATTRIBUTE, None)
    return view


def requires_secret(secret: str) -> Callable[[_View], _View]:
    """Require this secret as the bearer token. Sessions and API tokens are rejected."""

    def mark(view: _View) -> _View:
        setattr(view, _BEARER_ATTRIBUTE, secret)
        return view

    return mark


def allow_from_master(view: _View) -> _View:
    """Allow requests from the master to a view without authentication."""
    setattr(view, _ALLOW_FROM_MASTER_ATTRIBUTE, True)
    return view


def current_actor() -> Actor:
    """Return the actor of the current request."""
    actor: Actor = g.get("actor", Actor())
    return actor


class AccessControl:
    """Users, tokens, sessions, audit log and rate limits. Authorizes each request."""

    def __init__(
        self,
        database: Database,
        *,
        anonymous: Anonymous = "none",
        master_addresses: Collection[str] = (),
    ) -> None:
        """Read users, tokens, sessions and audit log from a database.

        Args:
            database: pirack.db.
            anonymous: Role of anonymous requests, or `none`.
            master_addresses: Addresses of the master, in addition to loopback addresses.
        """
        self.users = Users(database)
        self.tokens = Tokens(database)
        self.sessions = Sessions(database)
        self.audit = Audit(database)
        self.password_limiter = PasswordRateLimiter()
        self._anonymous_actor = Actor(role=None if anonymous == "none" else Role(anonymous))
        self._master_addresses = frozenset(master_addresses)
        self._refusal_limiter = RateLimiter(burst=30, interval=2)

    def register(self, app: Flask) -> None:
        """Authorize all requests of an application. Add the actor to its templates."""
        app.before_request(self._authorize_request)
        app.after_request(_set_cache_headers)

        @app.context_processor
        def for_templates() -> dict[str, Any]:
            actor = current_actor()
            token = csrf_token(actor.session) if actor.session else ""
            return {"actor": actor, "csrf_token": token}

    def record(self, action: str, targets: str, result: str, detail: str = "") -> int:
        """Record an action of the current actor. Return the id of the event."""
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
            if request.url_rule is not None:  # otherwise the response is 404 or 405
                self._authorize(g.actor)
        except (Unauthorized, Forbidden) as refusal:
            if request.method not in SAFE_METHODS:
                self._record_refusal(refusal.description or "")
            elif isinstance(refusal, Unauthorized) and _is_page_request():
                path = request.script_root + request.full_path.rstrip("?")
                return redirect(
                    url_for("login.show", next=path if path != url_for("rack.show") else None)
                )
            raise
        return None

    def _identify(self) -> Actor:
        credentials = request.authorization
        if credentials is not None and credentials.type == _BEARER_SCHEME:
            token = self.tokens.authenticate(credentials.token or "")
            if token is None:
                raise _unauthorized_error(
                    "the token is invalid, revoked or expired", "invalid_token"
                )
            return Actor(TOKEN_ACTOR_PREFIX + token.name, token.role)
        if secret := request.cookies.get(SESSION_COOKIE):
            user = self.sessions.find_user(secret)
            if user is not None:
                return Actor(user.name, user.role, secret)
        return self._anonymous_actor

    def _authorize(self, actor: Actor) -> None:
        is_safe = request.method in SAFE_METHODS
        required = self._required_role(is_safe=is_safe)
        if required is not None:
            is_allowed = actor.role is not None and actor.role.includes(required)
            if actor.is_anonymous and not (is_safe and is_allowed):
                raise _unauthorized_error("log in, or send a token")
            if not is_allowed:
                raise Forbidden(f"role {required} is required, but {actor.name} is {actor.role}")
        if not is_safe and not actor.is_program:
            check_csrf(request.cookies.get(SESSION_COOKIE, ""))

    def _required_role(self, *, is_safe: bool) -> Role | None:
        view = current_app.view_functions[request.endpoint or ""]
        if getattr(view, _ALLOW_FROM_MASTER_ATTRIBUTE, False) and self._is_master_address(
            client_address()
        ):
            return None
        default = Role.VIEWER if is_safe else Role.ADMIN
        role: Role | None = getattr(view, _ROLE_ATTRIBUTE, default)
        return role

    def _required_secret(self) -> str:
        view = current_app.view_functions.get(request.endpoint or "")
        secret: str = getattr(view, _BEARER_ATTRIBUTE, "")
        return secret

    def _is_master_address(self, address: str) -> bool:
        return address in self._master_addresses or _is_loopback(address)

    def _record_refusal(self, reason: str) -> None:
        if current_actor().is_anonymous and (
            wait := self._refusal_limiter.hit(client_network(client_address()))
        ):
            raise TooManyRequests("too many rejected requests from this address", retry_after=wait)
        rule = request.url_rule.rule if request.url_rule else ""
        self.record(f"{request.method} {rule}", request.path, REFUSED, reason)


def client_address() -> str:
    """Return the client address of the current request."""
    return request.remote_addr or ""


def set_session_cookie(response: Response, secret: str) -> None:
    """Set the session cookie."""
    response.set_cookie(
        SESSION_COOKIE,
        secret,
        path=session_cookie_path(),
        httponly=True,
        samesite="Lax",
        secure=request.is_secure,
    )


def session_cookie_path() -> str:
    """Return the path of the pages, which may be a part of a proxy's site."""
    return f"{request.script_root}/"


def _is_loopback(address: str) -> bool:
    try:
        parsed = ip_address(address)
    except ValueError:
        return False
    return (getattr(parsed, "ipv4_mapped", None) or parsed).is_loopback


def _check_secret(secret: str) -> None:
    credentials = request.authorization
    token = (credentials and credentials.type == _BEARER_SCHEME and credentials.token) or ""
    if not hmac.compare_digest(token.encode("utf-8", "surrogatepass"), secret.encode()):
        raise _unauthorized_error("the bearer token is invalid", "invalid_token")


def _unauthorized_error(reason: str, error: str | None = None) -> Unauthorized:
    challenge = WWWAuthenticate(_BEARER_SCHEME, {"realm": "the rack"})
    if error:
        challenge["error"] = error
    return Unauthorized(reason, www_authenticate=challenge)


def _is_page_request() -> bool:
    return not request.path.startswith(API_PREFIX)


def _set_cache_headers(response: Response) -> Response:
    if request.endpoint != "static":
        response.vary.update(["Authorization", "Cookie"])
        response.cache_control.private = True
    return response
