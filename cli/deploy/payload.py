"""Files that a rasp needs: the exporter, the aliases file and the systemd unit."""

import re
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from exporter import aliases as aliases_files
from rack.errors import PiRackError

CHECKOUT = Path(__file__).parents[2]

_DEFAULT_PROGRAM = CHECKOUT / "dist" / "pirack-exporter.pyz"
_DEFAULT_UNIT = CHECKOUT / "deploy" / "pirack-exporter.service"
_RACK_ALIASES = Path("/etc/pirack/aliases.ini")

file_type = click.Path(path_type=Path, dir_okay=False)


class PayloadError(PiRackError):
    """A file for the rasps is missing or invalid."""


@dataclass(frozen=True)
class Payload:
    """Contents of the files to install, and the version of the exporter."""

    program: bytes
    aliases: bytes
    unit: bytes
    version: str

    @classmethod
    def load(cls, program: Path, aliases: Path | None, unit: Path) -> "Payload":
        """Read the files. Without `aliases`, use the file of the rack or the packaged file.

        Raises:
            PayloadError: If a file cannot be read or is invalid.
        """
        aliases = aliases or _default_aliases()
        try:
            aliases_files.load(aliases)
        except aliases_files.AliasesError as error:
            raise PayloadError(str(error)) from error
        return cls(
            _read_program(program), read_file(aliases), read_file(unit), _exporter_version(program)
        )


def payload_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options `--exporter`, `--aliases` and `--unit` to a command."""
    for option in (
        click.option(
            "--unit",
            type=file_type,
            default=_DEFAULT_UNIT,
            help="systemd unit (default: the unit of PiRack).",
        ),
        click.option(
            "--aliases",
            type=file_type,
            help=f"Aliases file (default: {_RACK_ALIASES}, or the packaged file if that does not"
            " exist).",
        ),
        click.option(
            "--exporter",
            "program",
            type=file_type,
            default=_DEFAULT_PROGRAM,
            help="Exporter archive (default: the archive that `make exporter.pyz` builds).",
        ),
    ):
        command = option(command)
    return command


def read_file(file: Path, hint: str = "use another file") -> bytes:
    """Return the content of a file. Raise PayloadError with the hint if it cannot be read."""
    try:
        return file.read_bytes()
    except OSError as error:
        raise PayloadError(f"cannot read {file}: {error.strerror}: {hint}") from error


def _default_aliases() -> Path:
    return _RACK_ALIASES if _RACK_ALIASES.exists() else aliases_files.DEFAULT_PATH


def _read_program(program: Path) -> bytes:
    if program == _DEFAULT_PROGRAM:
        return read_file(program, "run `make exporter.pyz`, or set --exporter")
    return read_file(program)


def _exporter_version(program: Path) -> str:
    try:
        with zipfile.ZipFile(program) as archive:
            text = archive.read("exporter/__init__.py").decode()
    except (OSError, KeyError, ValueError, zipfile.BadZipFile):
        text = ""
    version = re.search(r'^__version__ = "(.+)"', text, re.MULTILINE)
    if version is None:
        raise PayloadError(
            f"{program} is not a valid exporter archive: build one with `make exporter.pyz`"
        )
    return version[1]
