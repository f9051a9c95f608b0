"""The command `pirack deploy`."""

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click
from rich.live import Live
from rich.text import Text

from cli import output, tables
from cli.completion import complete_target
from cli.deploy.payload import Payload, payload_options
from cli.models import ApiRack
from cli.output import as_json_option
from rack.terminal import EXIT_FAILED, CommandError, make_console, make_table, print_table

if TYPE_CHECKING:
    from cli.deploy.transfer import DeployResult, DeployTarget

_Parsed = TypeVar("_Parsed")


@click.command(epilog=output.TARGETS_HELP)
@click.argument("targets", nargs=-1, shell_complete=complete_target)
@payload_options
@as_json_option
@click.pass_context
def deploy(
    context: click.Context,
    targets: tuple[str, ...],
    *,
    program: Path,
    aliases: Path | None,
    unit: Path,
    as_json: bool,
) -> None:
    """Install the exporter on TARGETS, or on all rasps.

    The command also installs the aliases file and the systemd unit. It uses your own SSH login, as
    root or with sudo. If the installation fails on a rasp, the rasp keeps its previous files.
    """
    try:
        from cli.deploy import transfer  # noqa: PLC0415 - only this command needs asyncssh
    except ModuleNotFoundError as error:
        raise CommandError(f"{error.name} is missing: run `pip install pirack[master]`") from error
    payload = Payload.load(program, aliases, unit)
    client = context.obj()
    rack = client.get("rack", ApiRack).data
    network = _parse(IPv4Network, rack.network)
    deploy_targets: list[DeployTarget] = []
    results: list[DeployResult] = []
    for rasp in output.fetch_rasps(client, targets).data:
        if rasp.ip:
            deploy_targets.append(transfer.DeployTarget(rasp.name, _parse(IPv4Address, rasp.ip)))
        else:
            detail = "no address yet: run `pirack install`"
            results.append(transfer.DeployResult(rasp.name, "failed", detail))
    with _Progress(len(deploy_targets)) as progress:
        results += asyncio.run(
            transfer.deploy_all(
                deploy_targets,
                payload,
                network=network,
                port=rack.exporter_port,
                on_stage=progress.update,
            )
        )
    _print_results(sorted(results, key=lambda result: result.rasp), as_json=as_json)
    succeeded = all(result.result == "ok" for result in results)
    context.exit(0 if succeeded else EXIT_FAILED)


def _parse(kind: Callable[[str], _Parsed], text: str) -> _Parsed:
    try:
        return kind(text)
    except ValueError as error:
        raise CommandError(f"the controller sent an invalid address: {error}") from error


class _Progress:
    """Number of rasps in each stage, displayed in one line of a terminal."""

    def __init__(self, rasp_count: int) -> None:
        self._rasp_count = rasp_count
        self._stages: dict[str, str] = {}
        self._live = Live(console=make_console(stderr=True), refresh_per_second=8, transient=True)

    def __enter__(self) -> "_Progress":
        if self._live.console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def update(self, rasp: "DeployTarget", stage: str) -> None:
        """Display a new stage of a rasp."""
        self._stages[rasp.name] = stage
        counts = Counter(self._stages.values())
        done = sum(counts[result] for result in ("ok", "failed", "unknown"))
        stages = ", ".join(f"{count} {stage}" for stage, count in sorted(counts.items()))
        self._live.update(Text(f"{done} of {self._rasp_count} rasps: {stages}"))


def _print_results(results: Sequence["DeployResult"], *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps([asdict(result) for result in results], indent=2))
        return
    table = make_table("RASP", "RESULT", "DETAIL")
    for result in results:
        table.add_row(
            tables.cell(result.rasp), tables.colored(result.result), tables.cell(result.detail)
        )
    print_table(table)
