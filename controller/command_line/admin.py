"""What somebody with a shell on the master may do: users, tokens, the audit."""

import argparse
import getpass
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from controller.audit import Audit, console_event
from controller.auth.passwords import random_password
from controller.auth.roles import Role
from controller.auth.tokens import Tokens
from controller.auth.users import Users, validate_name
from controller.command_line import ssh
from controller.errors import AccessError
from rack.database import Database, open_existing

_FIRST_ADMIN = "admin"
_SECONDS_PER_DAY = 86400.0

_Command = Callable[["AdminCommands", argparse.Namespace], None]


class AdminCommands:
    """The commands of `python -m controller`, on one database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._users = Users(database)
        self._tokens = Tokens(database)
        self._audit = Audit(database)

    def create_first_admin(self) -> None:
        """Make the user admin where there is no user yet, and show the password this once."""
        if self._users.all():
            return
        password = random_password()
        self._users.add(_FIRST_ADMIN, Role.ADMIN, password)
        self._record("add user", _FIRST_ADMIN, Role.ADMIN)
        # Not by logging: a password has no place in a log that is kept.
        print(
            f"The first start. Log in as {_FIRST_ADMIN} with the password {password}\n"
            "It is not shown again. Change it on the page /account, or by:"
            f" python -m controller --db {self._database.path} user password {_FIRST_ADMIN}",
            file=sys.stderr,
            flush=True,
        )

    def add_user(self, options: argparse.Namespace) -> None:
        """Add a user."""
        validate_name(options.name)
        password = _new_password(options)
        self._users.add(options.name, options.role, password)
        self._record("add user", options.name, options.role)
        print(f"{options.name} may log in as {options.role}.")
        _print_generated_password(options, password)

    def list_users(self, _options: argparse.Namespace) -> None:
        """Print all users."""
        _print_table(
            ("name", "role", "since"),
            [(each.name, each.role, _format_time(each.created_at)) for each in self._users.all()],
        )

    def remove_user(self, options: argparse.Namespace) -> None:
        """Remove a user."""
        self._users.remove(options.name)
        self._record("remove user", options.name)
        print(f"{options.name} is removed, and logged out everywhere.")

    def change_password(self, options: argparse.Namespace) -> None:
        """Give a user a new password."""
        password = _new_password(options)
        self._users.set_password(options.name, password)
        self._record("change password", options.name)
        print(f"The password of {options.name} is changed; every session of before has ended.")
        _print_generated_password(options, password)

    def add_token(self, options: argparse.Namespace) -> None:
        """Add a token."""
        lifetime = None if options.expires is None else options.expires * _SECONDS_PER_DAY
        secret = self._tokens.add(options.name, options.role, lifetime=lifetime)
        self._record("add token", options.name, options.role)
        print(f"The token {options.name} is not shown again:\n{secret}")

    def list_tokens(self, _options: argparse.Namespace) -> None:
        """Print all tokens, each with how its secret begins."""
        _print_table(
            ("name", "role", "secret", "since", "expires"),
            [
                (
                    each.name,
                    each.role,
                    f"{each.prefix}…",
                    _format_time(each.created_at),
                    "never" if each.expires_at is None else _format_time(each.expires_at),
                )
                for each in self._tokens.all()
            ],
        )

    def revoke_token(self, options: argparse.Namespace) -> None:
        """Make a token void."""
        self._tokens.revoke(options.name)
        self._record("revoke token", options.name)
        print(f"The token {options.name} is void.")

    def list_audit(self, options: argparse.Namespace) -> None:
        """Print the newest events of the audit, the newest last."""
        _print_table(
            ("when", "who", "from", "what", "targets", "result", "why"),
            [
                (
                    _format_time(entry.time),
                    entry.event.actor,
                    entry.event.client_address,
                    entry.event.action,
                    entry.event.targets,
                    entry.event.result,
                    entry.event.detail,
                )
                for entry in reversed(self._audit.list_recent(options.newest))
            ],
        )

    def _record(self, action: str, target: str, detail: str = "") -> None:
        self._audit.record(console_event(action, target, detail))


def _run_command(command: _Command, options: argparse.Namespace) -> None:
    command(AdminCommands(open_existing(options.db)), options)


def add_commands(parser: argparse.ArgumentParser) -> None:
    """Add the commands to the controller's command line.

    Each sets `run`, which takes the options, and raises a RackError where it cannot be done.
    """
    parser.set_defaults(run=None)
    commands = parser.add_subparsers(
        title="commands", metavar="user | token | audit | ssh", description="without one: serve"
    )
    database = argparse.ArgumentParser(add_help=False)
    # Here and before the command: what is not said here must not hide what was said there.
    database.add_argument(
        "--db", type=Path, default=argparse.SUPPRESS, help="the controller's pirack.db"
    )
    name = argparse.ArgumentParser(add_help=False, parents=[database])
    name.add_argument("name", metavar="NAME")
    role = argparse.ArgumentParser(add_help=False)
    role.add_argument(
        "--role", type=Role, choices=list(Role), required=True, metavar="|".join(Role)
    )
    password = argparse.ArgumentParser(add_help=False)
    password.add_argument(
        "--generate", action="store_true", help="make a password and show it, in place of asking"
    )

    user = commands.add_parser("user", help="who may log in").add_subparsers(required=True)
    _add_command(user, "add", AdminCommands.add_user, [name, role, password])
    _add_command(user, "list", AdminCommands.list_users, [database])
    _add_command(user, "remove", AdminCommands.remove_user, [name])
    _add_command(user, "password", AdminCommands.change_password, [name, password])

    token = commands.add_parser("token", help="what programs send").add_subparsers(required=True)
    add_token = _add_command(token, "add", AdminCommands.add_token, [name, role])
    add_token.add_argument(
        "--expires", type=_day_count, metavar="DAYS", help="after so many days; else never"
    )
    _add_command(token, "list", AdminCommands.list_tokens, [database])
    _add_command(token, "revoke", AdminCommands.revoke_token, [name])

    audit = commands.add_parser("audit", help="who did what", parents=[database])
    audit.add_argument(
        "--newest", type=_event_count, default=100, metavar="COUNT", help="so many (%(default)s)"
    )
    audit.set_defaults(run=partial(_run_command, AdminCommands.list_audit))
    ssh.add_commands(commands, database)


def _add_command(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]",
    name: str,
    command: _Command,
    parents: list[argparse.ArgumentParser],
) -> argparse.ArgumentParser:
    what = (command.__doc__ or "").rstrip(".")
    parser = commands.add_parser(
        name, help=what[0].lower() + what[1:], description=f"{what}.", parents=parents
    )
    parser.set_defaults(run=partial(_run_command, command))
    return parser


def _day_count(text: str) -> float:
    return float(_parse_integer(text, "days", maximum=36500))


def _event_count(text: str) -> int:
    return _parse_integer(text, "events", maximum=1_000_000)


def _parse_integer(text: str, unit: str, *, maximum: int) -> int:
    if text.isascii() and text.isdecimal() and 1 <= int(text[:9]) <= maximum:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text!r} is no number of {unit} from 1 to {maximum}")


def _new_password(options: argparse.Namespace) -> str:
    if options.generate:
        return random_password()
    if not sys.stdin.isatty():
        raise AccessError("there is no terminal to ask for the password at: add --generate")
    password = getpass.getpass("Password: ")
    if getpass.getpass("Once more: ") != password:
        raise AccessError("the two passwords differ: nothing was changed")
    return password


def _print_generated_password(options: argparse.Namespace, password: str) -> None:
    if options.generate:
        print(f"The password is not shown again:\n{password}")


def _format_time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def _print_table(header: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
    # What came over the network must not move the cursor or colour the terminal.
    table = [
        header,
        *(
            tuple(
                cell.encode("unicode_escape").decode() if not cell.isprintable() else cell
                for cell in row
            )
            for row in rows
        ),
    ]
    widths = [max(len(row[i]) for row in table) for i in range(len(header))]
    for row in table:
        print(
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        )
