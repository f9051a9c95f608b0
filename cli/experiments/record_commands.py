"""Commands for the records of runs."""

import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import click

from cli.api_client import ApiClient
from cli.experiments import tables
from cli.experiments.comparison import compare as compare_records
from cli.experiments.record import complete, write_zip
from cli.experiments.record_files import save_from_controller
from cli.experiments.record_reader import read as read_record
from cli.experiments.run_folders import RunFolders
from cli.models import ApiResponse
from cli.output import ClientFactory, as_json_option, print_response

_RUN_NUMBER = re.compile(r"[0-9]{1,18}")


@click.command()
@click.argument("first")
@click.argument("second")
@as_json_option
@click.pass_obj
def compare(make_client: ClientFactory, first: str, second: str, *, as_json: bool) -> None:
    """Show what differs between two runs.

    FIRST and SECOND are numbers of runs, or paths of exported records.
    """
    with (
        _record_path(make_client, first) as first_path,
        _record_path(make_client, second) as second_path,
    ):
        differences = compare_records(read_record(first_path), read_record(second_path))
    print_response(
        ApiResponse([asdict(difference) for difference in differences], differences),
        lambda data: tables.difference_table(data, first, second),
        as_json=as_json,
    )


@click.command()
@click.argument("number", metavar="RUN", type=click.IntRange(min=1))
@click.option(
    "-o",
    "file",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    help="The zip file to write.",
)
@click.pass_obj
def export(make_client: ClientFactory, number: int, *, file: Path) -> None:
    """Write the record of run RUN into a zip file.

    The history of the client is only on the machine that started the run.
    """
    with _record_path(make_client, str(number)) as folder:
        write_zip(folder, file)
    click.echo(f"Wrote {file}.")


@contextmanager
def _record_path(make_client: ClientFactory, name: str) -> Iterator[Path]:
    """Return the path of a record: of this machine, of the controller, or an exported one."""
    folder = RunFolders().find(int(name)) if _RUN_NUMBER.fullmatch(name) else Path(name)
    if folder is not None:
        yield folder
        return
    with tempfile.TemporaryDirectory(prefix="pirack-") as temporary:
        client: ApiClient = make_client()
        _, warnings = save_from_controller(client, int(name), Path(temporary))
        for warning in (*warnings, *complete(Path(temporary))):
            click.echo(f"pirack: {warning}", err=True)
        yield Path(temporary)
