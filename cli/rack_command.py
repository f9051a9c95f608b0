"""Command that draws the rack."""

import click

from cli import output
from cli.models import ApiStack
from cli.output import ClientFactory, as_json_option
from cli.rack_view import RackView


@click.command()
@as_json_option
@click.pass_obj
def rack(make_client: ClientFactory, *, as_json: bool) -> None:
    """Draw the stacks as they stand in the room.

    Each rasp has its temperature, or a letter for its state or for what an order or install is
    doing with it. The last lines explain the letters and the colors.
    """
    output.print_response(make_client().get("stacks", list[ApiStack]), RackView, as_json=as_json)
