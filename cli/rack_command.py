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
    """Draw the stacks as they stand in the room, with the temperature of each rasp.

    Letters and colors show the state of the rasps. The last lines explain them.
    """
    output.print_response(make_client().get("stacks", list[ApiStack]), RackView, as_json=as_json)
