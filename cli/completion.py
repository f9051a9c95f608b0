"""Shell completion of targets, actions and aliases."""

from typing import TypeVar

import click
from click.shell_completion import CompletionItem

from cli import actions, token
from cli.api_client import DEFAULT_URL, ApiClient
from cli.models import ApiAction, ApiStack
from rack.names import slot_target, stack_name
from rack.terminal import CommandError

_T = TypeVar("_T")

_TIMEOUT = 1.0


def complete_action(
    context: click.Context, _: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Return the actions and aliases that contain the incomplete word."""
    options = _fetch(context, "rasps/options", ApiAction)
    return [
        CompletionItem(name, help=option.help)
        for name, option in actions.list_options(options).items()
        if incomplete.lower() in name
    ]


def complete_target(
    context: click.Context, _: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Return the stacks, or the rasps in the form in which the incomplete word starts."""
    stacks = _fetch(context, "stacks", ApiStack)
    targets = ["all", *(stack_name(stack.number) for stack in stacks)]
    if incomplete:
        rasps = [rasp for stack in stacks for rasp in stack.rasps]
        targets += [rasp.name for rasp in rasps]
        targets += [slot_target(rasp.stack, rasp.slot) for rasp in rasps]
    return [CompletionItem(target) for target in targets if target.startswith(incomplete)]


def _fetch(context: click.Context, path: str, model: type[_T]) -> list[_T]:
    """Return a list from the controller, empty after an error, which would garble the prompt."""
    url = context.find_root().params.get("url") or DEFAULT_URL
    with context.scope():
        try:
            client = ApiClient(url, token.read(url), timeout=_TIMEOUT)
            return client.get(path, list[model]).data  # type: ignore[valid-type]
        except CommandError:
            return []
