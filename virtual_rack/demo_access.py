"""Who may switch the demo's rack: an operator and a token, made anew for each run."""

from dataclasses import dataclass
from pathlib import Path

from controller.credentials import random_password
from controller.roles import Role
from controller.tokens import Tokens
from controller.users import Users
from rack.database import Database

_USER, _PROGRAM = "operator", "demo"


@dataclass(frozen=True, slots=True)
class Credentials:
    """What somebody logs in with, and what a program sends."""

    user: str
    password: str
    token: str


def let_in(database: Path) -> Credentials:
    """Make an operator and an operator's token; those of earlier runs are void.

    Raises:
        DatabaseError: the database cannot be written.
    """
    opened = Database(database)
    users, tokens = Users(opened), Tokens(opened)
    password = random_password()
    if users.exists(_USER):
        users.set_password(_USER, password)
    else:
        users.add(_USER, Role.OPERATOR, password)
    if any(token.name == _PROGRAM for token in tokens.all()):
        tokens.revoke(_PROGRAM)
    return Credentials(_USER, password, tokens.add(_PROGRAM, Role.OPERATOR))
