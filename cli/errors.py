"""Why a command has no answer; each text is one line with its mend.

CommandError (also a click.ClickException)
├── ControllerError  the controller cannot be reached, or refuses
└── UsageError       what was asked for cannot be
"""

from typing import IO, Any

import click

from cli.text import printable


class CommandError(click.ClickException):
    """The base of all errors of the package. click shows it, and exits with its `exit_code`."""

    def show(self, file: IO[Any] | None = None) -> None:
        """Print the error in one line, which cannot steer a terminal, whoever sent its words."""
        click.echo(f"pirack: {printable(self.message)}", file=file, err=True)


class ControllerError(CommandError):
    """The controller cannot be reached, is none, or refuses."""

    exit_code = 3


class UsageError(CommandError):
    """What was asked for cannot be: a place that the rack lacks, a token that others can read."""

    exit_code = 2
