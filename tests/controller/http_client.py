"""HTTP client with the users and the forms of a browser."""

import html
import re
import time
from collections.abc import Mapping
from typing import Any

import requests
from werkzeug.security import generate_password_hash

from controller.auth.access_control import AccessControl
from controller.auth.roles import Role
from controller.auth.sessions import Sessions
from rack.database import Database
from tests.helpers.waiting import TIMEOUT_SECONDS

PASSWORDS = {
    "vera": "a viewer's password",
    "otto": "an operator's password",
    "ada": "an admin's password",
}
ROLES = {"vera": Role.VIEWER, "otto": Role.OPERATOR, "ada": Role.ADMIN}


def add_users(access: AccessControl) -> None:
    """Add the viewer vera, the operator otto and the admin ada, with fast password hashes."""
    for name, role in ROLES.items():
        add_user(access.users._database, name, role, PASSWORDS[name])


def add_user(database: Database, name: str, role: Role, password: str) -> None:
    """Add a user with a fast password hash."""
    password_hash = generate_password_hash(password, "scrypt:1024:8:1")
    with database.connection() as connection:
        connection.execute(
            "INSERT INTO users (name, role, password_hash, created_at) VALUES (?, ?, ?, ?)",
            (name, role, password_hash, time.time()),
        )


def create_session(access: AccessControl, name: str, sessions: Sessions | None = None) -> str:
    """Create a session of a user of `add_users`. Return its secret."""
    verified_hash = access.users.verified_hash(name, PASSWORDS[name])
    assert verified_hash
    return (sessions or access.sessions).create(name, verified_hash)


class BrowserSession:
    """Browser without scripts: stores cookies and sends forms."""

    def __init__(self, url: str, headers: Mapping[str, str] | None = None) -> None:
        self.url = url
        self.session = requests.Session()
        self.session.headers.update(headers or {})

    def get(self, path: str, **options: Any) -> requests.Response:
        return self.session.get(
            self.url + path, timeout=TIMEOUT_SECONDS, allow_redirects=False, **options
        )

    def post(self, path: str, **options: Any) -> requests.Response:
        return self.session.post(
            self.url + path, timeout=TIMEOUT_SECONDS, allow_redirects=False, **options
        )

    def csrf_token(self, path: str) -> str:
        """Return the CSRF token of the forms of a page."""
        tokens = re.findall(r'name="csrf_token" value="([^"]*)"', self.get(path).text)
        assert len(set(tokens)) == 1, tokens
        return html.unescape(tokens[0])

    def log_in(self, name: str, password: str | None = None, **fields: str) -> requests.Response:
        form = {"name": name, "password": PASSWORDS[name] if password is None else password}
        return self.post("/login", data=form | {"csrf_token": self.csrf_token("/login")} | fields)

    def log_out(self) -> requests.Response:
        return self.post("/logout", data={"csrf_token": self.csrf_token("/account")})

    def change_password(self, old: str, new: str, repeated: str | None = None) -> requests.Response:
        fields = {
            "current_password": old,
            "new_password": new,
            "repeated_password": new if repeated is None else repeated,
            "csrf_token": self.csrf_token("/account"),
        }
        return self.post("/account/password", data=fields)

    @property
    def is_logged_in(self) -> bool:
        return self.get("/account").status_code == 200
