"""The commands about orders that were given: orders, order, cancel, audit."""

import click

from cli import answers, following, order_tables
from cli.answers import Connect, as_json_option

_newest_option = click.option(
    "--newest",
    type=click.IntRange(1, 500),
    default=20,
    show_default=True,
    help="How many.",
)


@click.command()
@_newest_option
@as_json_option
@click.pass_obj
def orders(connect: Connect, *, newest: int, as_json: bool) -> None:
    """List the newest orders."""
    controller = connect()
    found = controller.get("orders", list, limit=newest)
    answers.show(controller, found, lambda: order_tables.orders(found), as_json=as_json)


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
        found = following.follow(controller, found)
    answers.show(controller, found, lambda: order_tables.order(found), as_json=as_json)
    context.exit(following.status(controller, found))


@click.command()
@click.argument("number", type=click.IntRange(min=1))
@as_json_option
@click.pass_obj
def cancel(connect: Connect, number: int, *, as_json: bool) -> None:
    """End order NUMBER where that is safe: what was begun on a rasp or stack is finished."""
    controller = connect()
    found = controller.delete(f"orders/{number}")
    answers.show(controller, found, lambda: order_tables.summary(found), as_json=as_json)


@click.command()
@_newest_option
@click.option("-q", "text", help="Only those with this in them.")
@as_json_option
@click.pass_obj
def audit(connect: Connect, *, newest: int, text: str | None, as_json: bool) -> None:
    """List the newest events: who did what, from where, with what result."""
    controller = connect()
    found = controller.get("audit", list, limit=newest, q=text)
    answers.show(controller, found, lambda: order_tables.audit(found), as_json=as_json)
