"""What a shell is told when somebody presses Tab: quickly, or nothing."""

import click
from click.shell_completion import CompletionItem

from cli import actions, token
from cli.answers import made
from cli.controller import DEFAULT_URL, Controller
from cli.errors import CommandError

_SECONDS = 1.0


def names(context: click.Context, _: click.Parameter, begun: str) -> list[CompletionItem]:
    """Return the actions and aliases that have what was begun in their names."""
    url = context.find_root().params.get("url") or DEFAULT_URL
    try:
        controller = Controller(url, token.read(), seconds=_SECONDS)
        options = controller.get("rasps/options", list)
        offered = made(controller, lambda: actions.choices(options))
    except CommandError:  # nobody waits at a Tab for an error
        return []
    return [
        CompletionItem(name, help=choice.help)
        for name, choice in offered.items()
        if begun.lower() in name
    ]
