"""What a shell is told when somebody presses Tab: quickly, or nothing."""

import click
from click.shell_completion import CompletionItem

from cli import actions, token
from cli.api_client import DEFAULT_URL, ApiClient
from cli.errors import CommandError
from cli.output import parse_response

_TIMEOUT = 1.0


def complete_action(
    context: click.Context, _: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Return the actions and aliases that have what was begun in their names."""
    url = context.find_root().params.get("url") or DEFAULT_URL
    try:
        controller = ApiClient(url, token.read(), timeout=_TIMEOUT)
        options = controller.get("rasps/options", list)
        offered = parse_response(controller, lambda: actions.parse_options(options))
    except CommandError:  # nobody waits at a Tab for an error
        return []
    return [
        CompletionItem(name, help=choice.help)
        for name, choice in offered.items()
        if incomplete.lower() in name
    ]
