"""`pirack`: what all commands share, and which there are."""

from typing import Any

import click
from click.shell_completion import get_completion_class

from cli import history_commands, install_commands, order_commands, status_commands, token
from cli.api_client import DEFAULT_URL, URL_VARIABLE, ApiClient
from cli.deploy.command import deploy

_EXIT_INTERRUPTED = 130
_PROGRAM = "pirack"

_EXIT_STATUSES = """\b
Exit statuses:
  0  fine
  1  `status`: something needs care; else a target failed, or nobody knows
  2  the command line is wrong, or names what is not there
  3  the controller cannot be reached, or refuses
  130  Ctrl-C, or a no; an order that was given goes on
"""


class _CommandGroup(click.Group):
    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:  # click's own exit status, 1, is taken
            ctx.exit(_EXIT_INTERRUPTED)


@click.group(cls=_CommandGroup, epilog=_EXIT_STATUSES)
@click.option(
    "--url",
    envvar=URL_VARIABLE,
    show_envvar=True,
    default=DEFAULT_URL,
    show_default=True,
    help="Where the controller is.",
)
@click.version_option(package_name="pirack", message="%(prog)s %(version)s")
@click.pass_context
def pirack(context: click.Context, url: str) -> None:
    """Ask a rack of Raspberry Pis how it is, and look after it.

    TARGETS are 3 (a stack), 3/2 (a slot), 1-4/1-2 (ranges), or all. A token, where the controller
    wants one, is taken from PIRACK_TOKEN or ~/.config/pirack/token.
    """
    # Made by the command: --help needs neither a right URL nor a right token.
    context.obj = lambda: ApiClient(url, token.read())


@pirack.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print what lets SHELL complete commands.

    For bash, add to ~/.bashrc: eval "$(pirack completion bash)"
    """
    kind = get_completion_class(shell)
    if kind is not None:
        click.echo(kind(pirack, {}, _PROGRAM, "_PIRACK_COMPLETE").source())


for _command in (
    status_commands.status,
    status_commands.rasps,
    status_commands.show,
    status_commands.stacks,
    status_commands.master,
    order_commands.ping,
    order_commands.run,
    order_commands.reboot,
    order_commands.shutdown,
    order_commands.identify,
    order_commands.power,
    history_commands.orders,
    history_commands.order,
    history_commands.cancel,
    history_commands.audit,
    install_commands.install,
    install_commands.replace,
    install_commands.swap,
    deploy,
):
    pirack.add_command(_command)


if __name__ == "__main__":
    pirack(prog_name=_PROGRAM)
