"""The command line of `pirack`: its options, exit statuses and commands."""

import click
from click.shell_completion import get_completion_class

from cli import (
    activity_command,
    doctor_command,
    history_commands,
    install_commands,
    order_commands,
    rack_command,
    reservation_commands,
    status_commands,
    token,
)
from cli.api_client import DEFAULT_URL, URL_VARIABLE, ApiClient
from cli.card.command import card
from cli.deploy.command import deploy
from cli.experiments.commands import experiment
from cli.top.command import top
from rack.terminal import CommandGroup

_PROGRAM = "pirack"

_EXIT_STATUSES = """\b
Exit statuses:
  0    success
  1    `status`: the rack has issues; `doctor`: there are findings;
       `experiment`: a run is not ok; other commands: a target failed or is
       unknown
  2    invalid command line or plan file, or a target does not exist
  3    the controller cannot be reached, or rejects the request
  130  interrupted or not confirmed; a submitted order continues, a run is
       stopped
"""


@click.group(cls=CommandGroup, epilog=_EXIT_STATUSES)
@click.option(
    "--url",
    envvar=URL_VARIABLE,
    show_envvar=True,
    default=DEFAULT_URL,
    show_default=True,
    help="URL of the controller.",
)
@click.version_option(package_name="pirack", message="%(prog)s %(version)s")
@click.pass_context
def pirack(context: click.Context, url: str) -> None:
    """Monitor and control a rack of Raspberry Pis.

    Start with `pirack status`, `pirack rack` and `pirack top`.

    TARGETS are 3 (a stack), 3/2 or 03-2 (a rasp), 1..4 or 1..4/1 (ranges), or all. If the
    controller requires a token, set PIRACK_TOKEN or write the token to ~/.config/pirack/token.
    """
    # Each command creates the client, so that --help works with an invalid URL or token.
    context.obj = lambda: ApiClient(url, token.read(url))


@pirack.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the completion script for SHELL.

    For bash, add to ~/.bashrc: eval "$(pirack completion bash)"
    """
    completion_class = get_completion_class(shell)
    if completion_class is not None:
        click.echo(completion_class(pirack, {}, _PROGRAM, "_PIRACK_COMPLETE").source())


for _command in (
    status_commands.status,
    rack_command.rack,
    top,
    status_commands.rasps,
    status_commands.show,
    status_commands.stacks,
    status_commands.master,
    doctor_command.doctor,
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
    activity_command.activity,
    install_commands.install,
    install_commands.replace,
    install_commands.swap,
    reservation_commands.reserve,
    reservation_commands.reservations,
    reservation_commands.extend,
    reservation_commands.hand_back,
    reservation_commands.take_over,
    reservation_commands.quota,
    experiment,
    deploy,
    card,
):
    pirack.add_command(_command)


if __name__ == "__main__":
    pirack(prog_name=_PROGRAM)
