"""Commands for submitted orders and the audit log."""

import click

from cli import order_tables, output, progress
from cli.models import ApiAuditEvent, ApiOrder, ApiOrderSummary
from cli.output import ClientFactory, as_json_option
from rack.terminal import EXIT_FAILED

_limit_option = click.option(
    "--limit", type=click.IntRange(1, 500), default=20, show_default=True, help="Maximum number."
)


@click.command()
@_limit_option
@as_json_option
@click.pass_obj
def orders(make_client: ClientFactory, *, limit: int, as_json: bool) -> None:
    """List the latest orders."""
    response = make_client().get_pages("orders", ApiOrderSummary, limit)
    output.print_response(response, order_tables.order_table, as_json=as_json)


@click.command()
@click.argument("number", type=click.IntRange(min=1))
@click.option("--watch", is_flag=True, help="Wait until the order finishes.")
@as_json_option
@click.pass_context
def order(context: click.Context, number: int, *, watch: bool, as_json: bool) -> None:
    """Show order NUMBER with its result for each target."""
    client = context.obj()
    response = client.get(f"orders/{number}", ApiOrder)
    if watch:
        response = progress.wait_for_order(client, response)
    output.print_response(response, order_tables.order_details, as_json=as_json)
    context.exit(0 if response.data.succeeded else EXIT_FAILED)


@click.command()
@click.argument("number", type=click.IntRange(min=1))
@as_json_option
@click.pass_obj
def cancel(make_client: ClientFactory, number: int, *, as_json: bool) -> None:
    """Cancel order NUMBER. Steps already in progress are completed."""
    response = make_client().delete(f"orders/{number}", ApiOrder)
    output.print_response(response, order_tables.order_summary, as_json=as_json)


@click.command()
@_limit_option
@click.option("-q", "text", help="Only events that contain this text.")
@as_json_option
@click.pass_obj
def audit(make_client: ClientFactory, *, limit: int, text: str | None, as_json: bool) -> None:
    """List the latest audit events."""
    response = make_client().get_pages("audit", ApiAuditEvent, limit, q=text)
    output.print_response(response, order_tables.audit_table, as_json=as_json)
