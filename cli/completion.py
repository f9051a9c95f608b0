"""Shell completion of actions and aliases."""

import click
from click.shell_completion import CompletionItem

from cli import actions, token
from cli.api_client import DEFAULT_URL, ApiClient
from cli.models import ApiAction
from rack.terminal import CommandError

_TIMEOUT = 1.0


def complete_action(
    context: click.Context, _: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Return the actions and aliases that contain the incomplete word."""
    url = context.find_root().params.get("url") or DEFAULT_URL
    with context.scope():
        try:
            client = ApiClient(url, token.read(url), timeout=_TIMEOUT)
            options = client.get("rasps/options", list[ApiAction]).data
        except CommandError:  # a message would garble the command line
            return []
    return [
        CompletionItem(name, help=option.help)
        for name, option in actions.list_options(options).items()
        if incomplete.lower() in name
    ]
