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

from cli import answers, tables
from cli.answers import as_json_option
from cli.errors import UsageError
from exporter import aliases as aliases_files

if TYPE_CHECKING:
    from cli.deployment import Goods, Outcome, Rasp

_CHECKOUT = Path(__file__).parents[1]
_PROGRAM = _CHECKOUT / "dist" / "pirack-exporter.pyz"
_UNIT = _CHECKOUT / "deploy" / "pirack-exporter.service"
_RACKS_ALIASES = Path("/etc/pirack/aliases.ini")
_FAILED = 1

_file = click.Path(path_type=Path, dir_okay=False)


@click.command()
@click.argument("targets", nargs=-1)
@click.option(
    "--exporter",
    "program",
    type=_file,
    default=_PROGRAM,
    help="The exporter's one file (default: the one that `make exporter.pyz` makes).",
)
@click.option(
    "--aliases",
    type=_file,
    help=f"What the rasps tell (default: {_RACKS_ALIASES}; where there is none, the packaged one).",
)
@click.option("--unit", type=_file, default=_UNIT, help="The systemd unit (default: PiRack's own).")
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
        from cli import deployment  # noqa: PLC0415 - the one command that needs asyncssh
    except ModuleNotFoundError as error:
        raise UsageError(f"{error.name} is not installed: `pip install pirack[master]`") from error
    goods = _goods(program, aliases or _aliases(), unit)
    controller = context.obj()
    rack = controller.get("rack", dict)
    found = answers.rasps(controller, targets)
    port, rasps, absent = answers.made(
        controller,
        lambda: (
            int(rack["exporter_port"]),
            [
                deployment.Rasp(str(each["name"]), IPv4Address(each["ip"]))
                for each in found
                if each["ip"]
            ],
            [
                deployment.Outcome(str(each["name"]), "failed", "it has no address yet: install it")
                for each in found
                if not each["ip"]
            ],
        ),
    )
    with _Progress(len(rasps)) as progress:
        outcomes = asyncio.run(deployment.deploy(rasps, goods, port=port, tell=progress.tell))
    _print(sorted([*outcomes, *absent], key=lambda each: each.rasp), as_json=as_json)
    are_ok = all(outcome.result == "ok" for outcome in [*outcomes, *absent])
    context.exit(0 if are_ok else _FAILED)


def _aliases() -> Path:
    return _RACKS_ALIASES if _RACKS_ALIASES.exists() else aliases_files.DEFAULT_PATH


def _goods(program: Path, aliases: Path, unit: Path) -> "Goods":
    """Return what is to be brought, none of it broken."""
    from cli.deployment import Goods  # noqa: PLC0415 - needs asyncssh

    try:
        aliases_files.load(aliases)
    except aliases_files.AliasesError as error:
        raise UsageError(str(error)) from error
    return Goods(_read(program), _read(aliases), _read(unit), _version(program))


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        mend = "run `make exporter.pyz`, or name it by --exporter" if file == _PROGRAM else ""
        raise UsageError(
            f"{file} cannot be read: {error.strerror}: {mend or 'name another'}"
        ) from error


def _version(program: Path) -> str:
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

    def __init__(self, rasps: int) -> None:
        self._rasps = rasps
        self._stages: dict[str, str] = {}
        self._live = Live(console=tables.console(stderr=True), refresh_per_second=8, transient=True)

    def __enter__(self) -> "_Progress":
        if self._live.console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def tell(self, rasp: "Rasp", stage: str) -> None:
        """Take down that a rasp has come to a stage."""
        self._stages[rasp.name] = stage
        counts = Counter(self._stages.values())
        done = sum(counts[result] for result in ("ok", "failed", "unknown"))
        stages = ", ".join(f"{count} {stage}" for stage, count in sorted(counts.items()))
        self._live.update(Text(f"{done} of {self._rasps} rasps: {stages}"))


def _print(outcomes: list["Outcome"], *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps([asdict(outcome) for outcome in outcomes], indent=2))
        return
    table = tables.headed("RASP", "RESULT", "WHY")
    for outcome in outcomes:
        table.add_row(
            tables.cell(outcome.rasp), tables.word(outcome.result), tables.cell(outcome.detail)
        )
    tables.show(table)
