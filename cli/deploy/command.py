"""`pirack deploy`: the exporter, its aliases and its unit, to all rasps."""

import asyncio
import json
import re
import zipfile
from collections import Counter
from dataclasses import asdict
from ipaddress import IPv4Address
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.live import Live
from rich.text import Text

from cli import output, tables
from cli.errors import UsageError
from cli.output import as_json_option
from exporter import aliases as aliases_files

if TYPE_CHECKING:
    from cli.deploy.transfer import DeployResult, DeployTarget, Payload

_CHECKOUT = Path(__file__).parents[2]
_DEFAULT_PROGRAM = _CHECKOUT / "dist" / "pirack-exporter.pyz"
_DEFAULT_UNIT = _CHECKOUT / "deploy" / "pirack-exporter.service"
_RACK_ALIASES = Path("/etc/pirack/aliases.ini")
_EXIT_FAILED = 1

_file_type = click.Path(path_type=Path, dir_okay=False)


@click.command()
@click.argument("targets", nargs=-1)
@click.option(
    "--exporter",
    "program",
    type=_file_type,
    default=_DEFAULT_PROGRAM,
    help="The exporter's one file (default: the one that `make exporter.pyz` makes).",
)
@click.option(
    "--aliases",
    type=_file_type,
    help=f"What the rasps tell (default: {_RACK_ALIASES}; where there is none, the packaged one).",
)
@click.option(
    "--unit",
    type=_file_type,
    default=_DEFAULT_UNIT,
    help="The systemd unit (default: PiRack's own).",
)
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
    """Bring the exporter, its aliases and its unit to TARGETS, or to all rasps.

    By your own SSH access, as root or with sudo, and all rasps side by side. On each, all of it is
    put in place and answers, or all is as before.
    """
    try:
        from cli.deploy import transfer  # noqa: PLC0415 - the one command that needs asyncssh
    except ModuleNotFoundError as error:
        raise UsageError(f"{error.name} is not installed: `pip install pirack[master]`") from error
    goods = _load_payload(program, aliases or _default_aliases(), unit)
    controller = context.obj()
    rack = controller.get("rack", dict)
    found = output.fetch_rasps(controller, targets)
    port, rasps, absent = output.parse_response(
        controller,
        lambda: (
            int(rack["exporter_port"]),
            [
                transfer.DeployTarget(str(each["name"]), IPv4Address(each["ip"]))
                for each in found
                if each["ip"]
            ],
            [
                transfer.DeployResult(
                    str(each["name"]), "failed", "it has no address yet: install it"
                )
                for each in found
                if not each["ip"]
            ],
        ),
    )
    with _Progress(len(rasps)) as progress:
        outcomes = asyncio.run(
            transfer.deploy_all(rasps, goods, port=port, on_stage=progress.update)
        )
    _print_results(sorted([*outcomes, *absent], key=lambda each: each.rasp), as_json=as_json)
    are_ok = all(outcome.result == "ok" for outcome in [*outcomes, *absent])
    context.exit(0 if are_ok else _EXIT_FAILED)


def _default_aliases() -> Path:
    return _RACK_ALIASES if _RACK_ALIASES.exists() else aliases_files.DEFAULT_PATH


def _load_payload(program: Path, aliases: Path, unit: Path) -> "Payload":
    """Return what is to be brought, none of it broken."""
    from cli.deploy.transfer import Payload  # noqa: PLC0415 - needs asyncssh

    try:
        aliases_files.load(aliases)
    except aliases_files.AliasesError as error:
        raise UsageError(str(error)) from error
    return Payload(
        _read_file(program), _read_file(aliases), _read_file(unit), _exporter_version(program)
    )


def _read_file(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        mend = (
            "run `make exporter.pyz`, or name it by --exporter" if file == _DEFAULT_PROGRAM else ""
        )
        raise UsageError(
            f"{file} cannot be read: {error.strerror}: {mend or 'name another'}"
        ) from error


def _exporter_version(program: Path) -> str:
    try:
        with zipfile.ZipFile(program) as archive:
            text = archive.read("exporter/__init__.py").decode()
    except (OSError, KeyError, ValueError, zipfile.BadZipFile):
        text = ""
    found = re.search(r'^__version__ = "(.+)"', text, re.MULTILINE)
    if found is None:
        raise UsageError(f"{program} is no exporter: make one with `make exporter.pyz`")
    return found[1]


class _Progress:
    """How far the rasps have come, in one line of a terminal."""

    def __init__(self, rasp_count: int) -> None:
        self._rasp_count = rasp_count
        self._stages: dict[str, str] = {}
        self._live = Live(
            console=tables.make_console(stderr=True), refresh_per_second=8, transient=True
        )

    def __enter__(self) -> "_Progress":
        if self._live.console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def update(self, rasp: "DeployTarget", stage: str) -> None:
        """Take down that a rasp has come to a stage."""
        self._stages[rasp.name] = stage
        counts = Counter(self._stages.values())
        done = sum(counts[result] for result in ("ok", "failed", "unknown"))
        stages = ", ".join(f"{count} {stage}" for stage, count in sorted(counts.items()))
        self._live.update(Text(f"{done} of {self._rasp_count} rasps: {stages}"))


def _print_results(results: list["DeployResult"], *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps([asdict(outcome) for outcome in results], indent=2))
        return
    table = tables.make_table("RASP", "RESULT", "WHY")
    for outcome in results:
        table.add_row(
            tables.cell(outcome.rasp), tables.colored(outcome.result), tables.cell(outcome.detail)
        )
    tables.print_table(table)
