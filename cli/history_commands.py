"""The commands about orders that were given: orders, order, cancel, audit."""

import click

from cli import order_tables, output, progress
from cli.output import ClientFactory, as_json_option

_limit_option = click.option(
    "--newest",
    type=click.IntRange(1, 500),
    default=20,
    show_default=True,
    help="How many.",
)


@click.command()
@_limit_option
@as_json_option
@click.pass_obj
def orders(make_client: ClientFactory, *, limit: int, as_json: bool) -> None:
    """List the newest orders."""
    controller = make_client()
    found = controller.get("orders", list, limit=limit)
    output.print_result(controller, found, lambda: order_tables.order_table(found), as_json=as_json)


@click.command()
@click.argument("number", type=click.IntRange(min=1))
@click.option("--watch", is_flag=True, help="Stay until it is over.")
@as_json_option
@click.pass_context
def order(context: click.Context, number: int, *, watch: bool, as_json: bool) -> None:
    """Tell what came of order NUMBER for each target."""
    controller = context.obj()
    found = controller.get(f"orders/{number}", dict)
    if watch:
        found = progress.wait_for_order(controller, found)
    output.print_result(
        controller, found, lambda: order_tables.order_details(found), as_json=as_json
    )
    context.exit(progress.exit_status(controller, found))


@click.command()
@click.argument("number", type=click.IntRange(min=1))
@as_json_option
@click.pass_obj
def cancel(make_client: ClientFactory, number: int, *, as_json: bool) -> None:
    """End order NUMBER where that is safe: what was begun on a rasp or stack is finished."""
    controller = make_client()
    found = controller.delete(f"orders/{number}")
    output.print_result(
        controller, found, lambda: order_tables.order_summary(found), as_json=as_json
    )


@click.command()
@_limit_option
@click.option("-q", "text", help="Only those with this in them.")
@as_json_option
@click.pass_obj
def audit(make_client: ClientFactory, *, limit: int, text: str | None, as_json: bool) -> None:
    """List the newest events: who did what, from where, with what result."""
    controller = make_client()
    found = controller.get("audit", list, limit=limit, q=text)
    output.print_result(controller, found, lambda: order_tables.audit_table(found), as_json=as_json)
