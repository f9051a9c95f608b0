"""Error handling and tables of the command-line programs."""

from collections.abc import Iterable, Mapping
from pkgutil import resolve_name
from typing import IO, Any

import click
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from rack.errors import PiRackError
from rack.fitted_table import FittedTable

EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_INTERRUPTED = 130

_SEVERITY_STYLES = {"error": "bold red", "warning": "yellow", "not_checked": "dim"}
_UNWRAPPED_WIDTH = 10_000
_TIME_COLUMNS = {"CREATED", "EXPIRES", "SINCE", "STARTED", "TIME"}


class CommandError(click.ClickException):
    """Error that click prints with the name of the program and without control characters."""

    exit_code = EXIT_USAGE

    def __init__(self, message: str) -> None:
        super().__init__(message)
        context = click.get_current_context().find_root()
        self._program = (context.info_name or "").removeprefix("python -m ")

    def show(self, file: IO[Any] | None = None) -> None:
        """Print the error."""
        for line in self.message.splitlines():
            click.echo(f"{self._program}: {printable(line)}", file=file, err=True)


class TargetError(CommandError):
    """Failure of a command for one or more of its targets."""

    exit_code = EXIT_FAILED


class Command(click.Command):
    """Command that exits with status 2 on an error of PiRack, and with status 130 on Ctrl-C."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            ctx.exit(EXIT_INTERRUPTED)
        except PiRackError as error:
            raise CommandError(str(error)) from error


class CommandGroup(Command, click.Group):
    """Group of commands with the exit statuses of `Command`."""


class LazyCommandGroup(CommandGroup):
    """Group that imports a command when it is used.

    Args:
        locations: Location of each command, such as `package.module:function`, keyed by its name.
    """

    def __init__(self, *args: Any, locations: Mapping[str, str], **options: Any) -> None:
        super().__init__(*args, **options)
        self._locations = locations

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - defined by click
        """Return the names of all commands."""
        return sorted(self._locations)

    def get_command(
        self,
        ctx: click.Context,  # noqa: ARG002 - defined by click
        cmd_name: str,
    ) -> click.Command | None:
        """Return a command, or None if it does not exist."""
        if cmd_name not in self._locations:
            return None
        command: click.Command = resolve_name(self._locations[cmd_name])
        return command


def printable(text: str) -> str:
    """Replace control characters, so that a text from the network cannot control the terminal."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


def make_console(*, stderr: bool = False) -> Console:
    """Return a console that wraps and colors only on a terminal."""
    console = Console(highlight=False, markup=False, emoji=False, stderr=stderr)
    if not console.is_terminal:
        console.width = _UNWRAPPED_WIDTH
    return console


def make_table(*headers: str, rows: Iterable[Iterable[str]] = ()) -> FittedTable:
    """Return a table with these headers and rows of plain text."""
    table = FittedTable(headers, unbroken=_TIME_COLUMNS)
    for row in rows:
        table.add_row(*(Text(printable(cell)) for cell in row))
    return table


def print_table(table: RenderableType) -> None:
    """Print a table. In a pipe, omit the trailing spaces of each line."""
    console = make_console()
    if console.is_terminal:
        console.print(table)
        return
    with console.capture() as capture:
        console.print(table)
    for line in capture.get().splitlines():
        click.echo(line.rstrip())


def findings_text(findings: Iterable[tuple[str, ...]], checks: int) -> RenderableType:
    """Return the findings of the doctor as text.

    Args:
        findings: Check, severity, problem, reason and fix of each finding.
        checks: Number of checks.
    """
    parts: list[RenderableType] = []
    for check, severity, problem, reason, fix in findings:
        label = printable(severity.upper().replace("_", " "))
        style = _SEVERITY_STYLES.get(severity, "")
        title = Text.assemble((label, style), printable(f" {check}: {problem}"))
        details = Text("\n".join((printable(f"why: {reason}"), printable(f"fix: {fix}"))))
        parts += [Text(), title, Padding(details, (0, 0, 0, 2))]
    return Group(*parts[1:]) if parts else Text(f"{checks} checks, nothing found.")
