"""Commands for users, API tokens and the audit log."""

import getpass
import sys
from datetime import UTC, datetime

import click

from controller.audit import Audit, console_event
from controller.auth.passwords import random_password
from controller.auth.roles import Role
from controller.auth.tokens import Tokens
from controller.auth.users import Users, validate_name
from controller.command_line.arguments import database_option
from controller.errors import AccessError
from controller.options import ControllerOptions
from rack.database import Database, open_existing
from rack.terminal import make_table, print_table

_FIRST_ADMIN = "admin"
_SECONDS_PER_DAY = 86400.0
_MAX_DAYS, _MAX_EVENTS = 36500, 1_000_000

_name_argument = click.argument("name")
_role_option = click.option(
    "--role",
    type=click.Choice([str(role) for role in Role]),
    required=True,
    callback=lambda _context, _parameter, value: Role(value),
    help="Permissions.",
)
_generate_option = click.option(
    "--generate", is_flag=True, help="Generate and print a password instead of asking for one."
)


def create_first_admin(database: Database) -> None:
    """Create the user `admin` if no user exists. Print the password once."""
    users = Users(database)
    if users.all():
        return
    password = random_password()
    users.add(_FIRST_ADMIN, Role.ADMIN, password)
    _record(database, "add user", _FIRST_ADMIN, Role.ADMIN)
    # The password is printed, not logged, because logs are stored.
    click.echo(
        f"First start. Log in as {_FIRST_ADMIN} with the password {password}\n"
        "It is not shown again. Change it on the page /account, or with:"
        f" python -m controller --db {database.path} user password {_FIRST_ADMIN}",
        err=True,
    )


@click.group()
def user() -> None:
    """Manage users."""


@user.command("add")
@_name_argument
@_role_option
@_generate_option
@database_option
@click.pass_obj
def add_user(options: ControllerOptions, name: str, role: Role, *, generate: bool) -> None:
    """Add user NAME."""
    database = open_existing(options.db)
    validate_name(name)
    password = _new_password(generate=generate)
    Users(database).add(name, role, password)
    _record(database, "add user", name, role)
    click.echo(f"Added user {name} with role {role}.")
    if generate:
        _print_secret("password", password)


@user.command("list")
@database_option
@click.pass_obj
def list_users(options: ControllerOptions) -> None:
    """List all users."""
    users = Users(open_existing(options.db)).all()
    rows = [(user.name, user.role, _format_time(user.created_at)) for user in users]
    print_table(make_table("NAME", "ROLE", "CREATED", rows=rows))


@user.command("remove")
@_name_argument
@database_option
@click.pass_obj
def remove_user(options: ControllerOptions, name: str) -> None:
    """Remove user NAME, end all sessions and revoke all tokens of the user."""
    database = open_existing(options.db)
    Users(database).remove(name)
    _record(database, "remove user", name)
    click.echo(f"Removed user {name}, ended all sessions and revoked all tokens of the user.")


@user.command("password")
@_name_argument
@_generate_option
@database_option
@click.pass_obj
def change_password(options: ControllerOptions, name: str, *, generate: bool) -> None:
    """Change the password of user NAME and end all sessions of the user."""
    database = open_existing(options.db)
    password = _new_password(generate=generate)
    Users(database).set_password(name, password)
    _record(database, "change password", name)
    click.echo(f"Changed the password of {name} and ended all sessions of the user.")
    if generate:
        _print_secret("password", password)


@click.group()
def token() -> None:
    """Manage API tokens."""


@token.command("add")
@_name_argument
@_role_option
@click.option(
    "--expires",
    type=click.IntRange(1, _MAX_DAYS),
    metavar="DAYS",
    help="Days until the token expires. Default: it does not expire.",
)
@database_option
@click.pass_obj
def add_token(options: ControllerOptions, name: str, role: Role, expires: int | None) -> None:
    """Add token NAME and print its secret."""
    database = open_existing(options.db)
    lifetime = None if expires is None else expires * _SECONDS_PER_DAY
    secret = Tokens(database).add(name, role, lifetime=lifetime)
    _record(database, "add token", name, role)
    _print_secret(f"token {name}", secret)


@token.command("list")
@database_option
@click.pass_obj
def list_tokens(options: ControllerOptions) -> None:
    """List all tokens, each with the start of its secret. Those of users are named USER/NAME."""
    headers = ("NAME", "ROLE", "SECRET", "CREATED", "EXPIRES", "LAST USED")
    rows = [
        (
            token.name,
            token.role,
            f"{token.prefix}…",
            _format_time(token.created_at),
            "never" if token.expires_at is None else _format_time(token.expires_at),
            "never" if token.last_used_at is None else _format_time(token.last_used_at),
        )
        for token in Tokens(open_existing(options.db)).all()
    ]
    print_table(make_table(*headers, rows=rows))


@token.command("revoke")
@_name_argument
@database_option
@click.pass_obj
def revoke_token(options: ControllerOptions, name: str) -> None:
    """Revoke token NAME."""
    database = open_existing(options.db)
    Tokens(database).revoke(name)
    _record(database, "revoke token", name)
    click.echo(f"Revoked token {name}.")


@click.command("audit")
@click.option(
    "--limit",
    type=click.IntRange(1, _MAX_EVENTS),
    default=100,
    show_default=True,
    metavar="COUNT",
    help="Maximum number of events.",
)
@database_option
@click.pass_obj
def list_audit(options: ControllerOptions, limit: int) -> None:
    """List the newest audit events, newest last."""
    rows = [
        (
            _format_time(record.time),
            record.event.actor,
            record.event.client_address,
            record.event.action,
            record.event.targets,
            record.event.result,
            str(record.count),
            record.event.detail,
        )
        for record in reversed(Audit(open_existing(options.db)).list_recent(limit))
    ]
    headers = ("TIME", "ACTOR", "FROM", "ACTION", "TARGETS", "RESULT", "COUNT", "REASON")
    print_table(make_table(*headers, rows=rows))


def _record(database: Database, action: str, target: str, detail: str = "") -> None:
    Audit(database).record(console_event(action, target, detail))


def _new_password(*, generate: bool) -> str:
    if generate:
        return random_password()
    if not sys.stdin.isatty():
        raise AccessError("there is no terminal to ask for the password: add --generate")
    password = getpass.getpass("Password: ")
    if getpass.getpass("Repeat password: ") != password:
        raise AccessError("the passwords differ: nothing was changed")
    return password


def _print_secret(name: str, secret: str) -> None:
    click.echo(f"The {name} is not shown again:\n{secret}")


def _format_time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
