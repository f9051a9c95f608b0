"""Commands that back up a rack in one file, and restore it."""

import os
from datetime import UTC, datetime
from pathlib import Path

import click

from controller.audit import BACKUP_ACTION, Audit, console_event
from controller.backup.archive import read_archive, write_archive
from controller.backup.contents import BackupPaths, make_backup
from controller.backup.restore import restore_backup
from controller.options import ControllerOptions
from exporter.aliases import DEFAULT_PATH as PACKAGED_ALIASES
from rack.database import open_existing
from rack.privileges import as_owner_of

_file_argument = click.argument("file", type=click.Path(path_type=Path))
_include_option = click.option(
    "--include",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="PATH",
    help="Another file, or a folder with all its files. Can be repeated.",
)


@click.command("backup")
@_file_argument
@_include_option
@click.pass_obj
def back_up(options: ControllerOptions, file: Path, include: tuple[Path, ...]) -> None:
    """Back up the rack to the new FILE, also while the controller runs.

    FILE contains the database, the SSH keys, rack.toml, dhcpd.conf, the secret of Alertmanager and
    the included files. Only its owner can read it. Links are not included.
    """
    backup = make_backup(_paths(options, include), _report_link)
    write_archive(file, backup, datetime.now(UTC))
    with as_owner_of(options.db.parent):
        Audit(open_existing(options.db)).record(console_event(BACKUP_ACTION, str(file)))
    click.echo(f"Wrote the database and {len(backup.files)} files to {file}. Keep it secret.")


@click.command("restore")
@_file_argument
@_include_option
@click.pass_obj
def restore(options: ControllerOptions, file: Path, include: tuple[Path, ...]) -> None:
    """Restore the rack from FILE. The controller must not run.

    FILE is verified before any file is replaced. Use the options of the backup.
    """
    backup = read_archive(file)
    restore_backup(backup, _paths(options, include))
    click.echo(f"Restored the database and {len(backup.files)} files from {file}.")


def _paths(options: ControllerOptions, include: tuple[Path, ...]) -> BackupPaths:
    state = options.db.parent
    others = [
        _follow_own_link(options.dhcpd_conf),
        state / "ssh",
        options.alerts_secret_path,
        *include,
    ]
    if options.aliases != PACKAGED_ALIASES:
        others.append(options.aliases)
    return BackupPaths(
        options.db.absolute(), options.rack.absolute(), tuple(path.absolute() for path in others)
    )


def _follow_own_link(path: Path) -> Path:
    """Return the target of a link, such as dhcpd.conf on a master, but not of another user's."""
    if path.is_symlink() and path.lstat().st_uid == os.geteuid():
        return path.parent / path.readlink()
    return path


def _report_link(path: Path) -> None:
    click.echo(f"not included: {path} is a link", err=True)
