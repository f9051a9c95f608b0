"""Credentials for the demo, which each run creates: a user and a token."""

from dataclasses import dataclass
from pathlib import Path

from controller.auth.passwords import random_password
from controller.auth.roles import Role
from controller.auth.tokens import Tokens
from controller.auth.users import Users
from rack.database import Database

_USER_NAME, _TOKEN_NAME = "operator", "demo"


@dataclass(frozen=True, slots=True)
class Credentials:
    """User name and password of an operator, and an API token."""

    user: str
    password: str
    token: str


def create_credentials(database: Path) -> Credentials:
    """Create an operator and a token. Replace the password and the token of an earlier run.

    Raises:
        DatabaseError: If the database cannot be written.
    """
    connection = Database(database)
    users, tokens = Users(connection), Tokens(connection)
    password = random_password()
    if users.exists(_USER_NAME):
        users.set_password(_USER_NAME, password)
    else:
        users.add(_USER_NAME, Role.OPERATOR, password)
    if any(token.name == _TOKEN_NAME for token in tokens.all()):
        tokens.revoke(_TOKEN_NAME)
    return Credentials(_USER_NAME, password, tokens.add(_TOKEN_NAME, Role.OPERATOR))
