"""Commands that assign rasps to slots."""

from typing import get_args

import click

from cli import confirm, install_tables, output, progress
from cli.api_client import ApiClient
from cli.completion import complete_target
from cli.models import ApiInstallation, ApiRasp, ApiResponse
from cli.output import as_json_option
from dhcp_installer import DEFAULT_STRATEGY, StrategyName
from rack.terminal import EXIT_FAILED, CommandError

_strategy_option = click.option(
    "--strategy",
    type=click.Choice(get_args(StrategyName)),
    default=DEFAULT_STRATEGY,
    show_default=True,
    help="How to find a rasp's stack. Use one-by-one if the rasps do not reply to ping.",
)


@click.command()
@_strategy_option
@click.option("--dry-run", is_flag=True, help="Only check, and print the changes to dhcpd.conf.")
@click.option("--stop", is_flag=True, help="Stop the install, or recover an interrupted one.")
@click.option("--status", is_flag=True, help="Show the running or the last install.")
@confirm.yes_option
@confirm.no_wait_option
@as_json_option
@click.pass_context
def install(
    context: click.Context,
    *,
    strategy: str,
    dry_run: bool,
    stop: bool,
    status: bool,
    yes: bool,
    no_wait: bool,
    as_json: bool,
) -> None:
    """Find the slot of each rasp and assign its address.

    During the install, all stacks lose power, which ends all programs on the rack.
    """
    if stop and status:
        raise CommandError("--stop and --status exclude each other: use one of them")
    client: ApiClient = context.obj()
    if status:
        response = client.get("installation", ApiInstallation)
    elif stop:
        response = client.delete("installation", ApiInstallation)
    else:
        if not (dry_run or yes):
            rasps = client.get("rasps", list[ApiRasp]).data
            _confirm_power_off(rasps, "All stacks lose power.")
        response = client.post("installation", ApiInstallation, strategy=strategy, dry_run=dry_run)
    if not (status or no_wait):
        response = progress.wait_for_install(client, response)
    _print_and_exit(context, response, as_json=as_json)


@click.command()
@click.argument("target", shell_complete=complete_target)
@_strategy_option
@confirm.yes_option
@confirm.no_wait_option
@as_json_option
@click.pass_context
def replace(
    context: click.Context,
    target: str,
    *,
    strategy: str,
    yes: bool,
    no_wait: bool,
    as_json: bool,
) -> None:
    """Replace the board in slot TARGET, such as 3/2 or 03-2.

    The new board gets the name and address of the previous board. PiRack power-cycles the stack, or
    only the slot if it has an outlet of its own, to verify that it contains the new board.
    """
    client: ApiClient = context.obj()
    rasp = _single_rasp(client, target)
    if not yes:
        if rasp.outlet:
            _confirm_power_off([rasp], f"{rasp.name} loses power.")
        else:
            others = output.fetch_rasps(client, [str(rasp.stack)]).data
            _confirm_power_off(others, f"Stack {rasp.stack} loses power.")
    response = client.post(f"rasps/{rasp.id}/replace", ApiInstallation, strategy=strategy)
    if not no_wait:
        response = progress.wait_for_install(client, response)
    _print_and_exit(context, response, as_json=as_json)


@click.command()
@click.argument("one", shell_complete=complete_target)
@click.argument("other", shell_complete=complete_target)
@as_json_option
@click.pass_context
def swap(context: click.Context, one: str, other: str, *, as_json: bool) -> None:
    """Swap the rasps in two slots of a stack.

    ONE and OTHER are slots such as 3/1 and 3/2, or 03-1 and 03-2. PiRack cannot detect the slot of
    a rasp that shares its outlet. No power is switched: each rasp gets its new address at its next
    boot, or after half of its lease time.
    """
    client: ApiClient = context.obj()
    rasps = [_single_rasp(client, target) for target in (one, other)]
    names = " and ".join(rasp.name for rasp in rasps)
    response = progress.wait_for_install(
        client, client.post("rasps/swap", ApiInstallation, ids=[rasp.id for rasp in rasps])
    )
    if as_json or not response.data.succeeded:
        _print_and_exit(context, response, as_json=as_json)
    click.echo(
        f"Swapped {names}. The rasps get their new addresses at their next boot, or after half of"
        " their lease time."
    )


def _single_rasp(client: ApiClient, target: str) -> ApiRasp:
    rasps = output.fetch_rasps(client, [target]).data
    if len(rasps) != 1:
        raise CommandError(
            f"{target} selects {len(rasps)} slots: write one slot, such as 3/2 or 03-2"
        )
    return rasps[0]


def _confirm_power_off(rasps: list[ApiRasp], note: str) -> None:
    confirm.confirm_disruption([rasp.name for rasp in rasps if rasp.may_be_running], note)


def _print_and_exit(
    context: click.Context, response: ApiResponse[ApiInstallation], *, as_json: bool
) -> None:
    output.print_response(response, install_tables.install_result, as_json=as_json)
    context.exit(0 if response.data.succeeded else EXIT_FAILED)
