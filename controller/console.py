"""What somebody with a shell on the master may do: users, tokens, the audit."""

import argparse
import getpass
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from controller import ssh_console
from controller.audit import Audit, at_console
from controller.credentials import random_password
from controller.errors import AccessError
from controller.roles import Role
from controller.tokens import Tokens
from controller.users import Users, checked_name
from rack.database import Database, open_existing

_FIRST_USER = "admin"
_SECONDS_A_DAY = 86400.0

_Command = Callable[["Console", argparse.Namespace], None]


class Console:
    """The commands of `python -m controller`, on one database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._users = Users(database)
        self._tokens = Tokens(database)
        self._audit = Audit(database)

    def make_first_user(self) -> None:
        """Make the user admin where there is no user yet, and show the password this once."""
        if self._users.all():
            return
        password = random_password()
        self._users.add(_FIRST_USER, Role.ADMIN, password)
        self._record("add user", _FIRST_USER, Role.ADMIN)
        # Not by logging: a password has no place in a log that is kept.
        print(
            f"The first start. Log in as {_FIRST_USER} with the password {password}\n"
            "It is not shown again. Change it on the page /account, or by:"
            f" python -m controller --db {self._database.path} user password {_FIRST_USER}",
            file=sys.stderr,
            flush=True,
        )

    def add_user(self, options: argparse.Namespace) -> None:
        """Add a user."""
        checked_name(options.name)
        password = _new_password(options)
        self._users.add(options.name, options.role, password)
        self._record("add user", options.name, options.role)
        print(f"{options.name} may log in as {options.role}.")
        _show(options, password)

    def list_users(self, _options: argparse.Namespace) -> None:
        """Print all users."""
        _print_table(
            ("name", "role", "since"),
            [(each.name, each.role, _moment(each.created)) for each in self._users.all()],
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
        _show(options, password)

    def add_token(self, options: argparse.Namespace) -> None:
        """Add a token."""
        lifetime = None if options.expires is None else options.expires * _SECONDS_A_DAY
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
                    _moment(each.created),
                    "never" if each.expires is None else _moment(each.expires),
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
                    _moment(entry.at),
                    entry.event.who,
                    entry.event.origin,
                    entry.event.what,
                    entry.event.targets,
                    entry.event.result,
                    entry.event.detail,
                )
                for entry in reversed(self._audit.newest(options.newest))
            ],
        )

    def _record(self, what: str, target: str, detail: str = "") -> None:
        self._audit.record(at_console(what, target, detail))


def _run(command: _Command, options: argparse.Namespace) -> None:
    command(Console(open_existing(options.db)), options)


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
    _add(user, "add", Console.add_user, [name, role, password])
    _add(user, "list", Console.list_users, [database])
    _add(user, "remove", Console.remove_user, [name])
    _add(user, "password", Console.change_password, [name, password])

    token = commands.add_parser("token", help="what programs send").add_subparsers(required=True)
    add_token = _add(token, "add", Console.add_token, [name, role])
    add_token.add_argument(
        "--expires", type=_days, metavar="DAYS", help="after so many days; else never"
    )
    _add(token, "list", Console.list_tokens, [database])
    _add(token, "revoke", Console.revoke_token, [name])

    audit = commands.add_parser("audit", help="who did what", parents=[database])
    audit.add_argument(
        "--newest", type=_count, default=100, metavar="COUNT", help="so many (%(default)s)"
    )
    audit.set_defaults(run=partial(_run, Console.list_audit))
    ssh_console.add_commands(commands, database)


def _add(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]",
    name: str,
    command: _Command,
    parents: list[argparse.ArgumentParser],
) -> argparse.ArgumentParser:
    what = (command.__doc__ or "").rstrip(".")
    parser = commands.add_parser(
        name, help=what[0].lower() + what[1:], description=f"{what}.", parents=parents
    )
    parser.set_defaults(run=partial(_run, command))
    return parser


def _days(text: str) -> float:
    return float(_whole(text, "days", most=36500))


def _count(text: str) -> int:
    return _whole(text, "events", most=1_000_000)


def _whole(text: str, of: str, *, most: int) -> int:
    if text.isascii() and text.isdecimal() and 1 <= int(text[:9]) <= most:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text!r} is no number of {of} from 1 to {most}")


def _new_password(options: argparse.Namespace) -> str:
    if options.generate:
        return random_password()
    if not sys.stdin.isatty():
        raise AccessError("there is no terminal to ask for the password at: add --generate")
    password = getpass.getpass("Password: ")
    if getpass.getpass("Once more: ") != password:
        raise AccessError("the two passwords differ: nothing was changed")
    return password


def _show(options: argparse.Namespace, password: str) -> None:
    if options.generate:
        print(f"The password is not shown again:\n{password}")


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def _print_table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
    # What came over the network must not move the cursor or colour the terminal.
    table = [
        head,
        *(
            tuple(
                cell.encode("unicode_escape").decode() if not cell.isprintable() else cell
                for cell in row
            )
            for row in rows
        ),
    ]
    widths = [max(len(row[i]) for row in table) for i in range(len(head))]
    for row in table:
        print(
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        )
