"""Parser of click command lines that does not run the command."""

from collections.abc import Sequence

import click


def parse_command(command: click.Command, arguments: Sequence[str]) -> click.Context:
    """Parse the arguments of a command and its subcommands. Return the innermost context."""
    context = command.make_context(command.name, list(arguments))
    if isinstance(command, click.Group):
        rest = [*context._protected_args, *context.args]
        if rest:
            name, subcommand, rest = command.resolve_command(context, rest)
            assert subcommand is not None, name
            return parse_command(subcommand, rest)
    return context
