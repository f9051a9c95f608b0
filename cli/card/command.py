"""The command `pirack card`."""

import re
import stat
from contextlib import AbstractContextManager
from pathlib import Path

import click

from cli.card.contents import (
    CHECKOUT_HINT,
    READ_FILES,
    USER_DATA,
    CardError,
    CardSources,
    card_files,
)
from cli.card.image import image_partition
from cli.card.partition import BootPartition, mounted_partition
from cli.deploy.payload import CHECKOUT, Payload, file_type, payload_options, read_file
from rack.terminal import CommandError

_DEPLOY = CHECKOUT / "deploy"
_DEFAULT_KEY = Path("/var/lib/pirack/ssh/id_ed25519.pub")
_DEFAULT_RACK = Path("/etc/pirack/rack.toml")
_PUBLIC_KEY = re.compile(r"(?:ssh|ecdsa)-[a-z0-9-]+ [A-Za-z0-9+/]+=* ?[^\n\"]*")


@click.command(short_help="Prepare an image for the SD cards of all rasps.")
@click.argument("target", type=click.Path(path_type=Path))
@click.option(
    "--key",
    type=file_type,
    default=_DEFAULT_KEY,
    show_default=True,
    help="Public SSH key of the master.",
)
@click.option(
    "--login-key",
    type=file_type,
    help="Your public SSH key, with which the user pi can log in (default: no user can log in).",
)
@click.option(
    "--rack",
    type=file_type,
    default=_DEFAULT_RACK,
    show_default=True,
    help="Layout with the network and the port of the exporters.",
)
@payload_options
def card(
    target: Path,
    *,
    key: Path,
    login_key: Path | None,
    rack: Path,
    program: Path,
    aliases: Path | None,
    unit: Path,
) -> None:
    """Prepare a stock image of Raspberry Pi OS or Debian for all rasps.

    TARGET is the folder at which the boot partition of an SD card is mounted, or an image file,
    which requires mtools. All cards are equal. A Pi that starts with such a card runs the exporter
    and accepts the actions of the master. The command does not contact the controller.
    """
    payload = Payload.load(program, aliases, unit)
    installed = {
        "pirack-exporter.pyz": payload.program,
        "aliases.ini": payload.aliases,
        "pirack-exporter.service": payload.unit,
        "exporter.env": f"LISTEN={_listen_address(rack)}\n".encode(),
        "authorized_key": _authorized_key(key),
        "authorize_master.py": read_file(_DEPLOY / "authorize_master.py", CHECKOUT_HINT),
        "login_key": _login_key(login_key),
    }
    sources = CardSources.load(_DEPLOY / "card", installed)
    with _open(target) as partition:
        contents = {name: partition.read(name) for name in READ_FILES}
        existing = {name: content for name, content in contents.items() if content is not None}
        try:
            files = card_files(existing, sources)
        except CardError as error:
            raise CardError(f"{target}: {error}") from error
        partition.write(files)
    way = "cloud-init" if USER_DATA in files else "firstrun.sh"
    click.echo(f"{target} is ready: a Pi installs PiRack {payload.version} at its start ({way})")


def _open(target: Path) -> AbstractContextManager[BootPartition]:
    try:
        mode = target.stat().st_mode
    except OSError as error:
        raise CardError(
            f"cannot open {target}: {error.strerror}:"
            " name a mounted boot partition or an image file"
        ) from error
    if stat.S_ISDIR(mode):
        return mounted_partition(target)
    if stat.S_ISREG(mode):
        return image_partition(target.resolve())
    raise CardError(f"{target} is a device: mount its boot partition and name the folder")


def _listen_address(layout: Path) -> str:
    """Return the value of LISTEN: the exporter follows the address of the rasp in the network."""
    try:
        from rack.layout_file import load  # noqa: PLC0415 - requires pydantic
    except ModuleNotFoundError as error:
        raise CommandError(f"{error.name} is missing: run `pip install pirack[master]`") from error
    network = load(layout).network
    return f"{network.subnet}:{network.exporter_port}"


def _authorized_key(path: Path) -> bytes:
    """Return the line for root's authorized_keys, from the template in deploy/."""
    key = _public_key(
        path, "create it on the master with `sudo pirack-controller ssh key`, and copy it here"
    )
    template = read_file(_DEPLOY / "authorized_keys", CHECKOUT_HINT).decode().splitlines()[-1]
    return f"{template.replace('KEY', key)}\n".encode()


def _login_key(path: Path | None) -> bytes:
    """Return the line for authorized_keys of the user pi, which is empty without a key."""
    return f"{_public_key(path, 'use another file')}\n".encode() if path else b""


def _public_key(path: Path, hint: str) -> str:
    key = read_file(path, hint).decode(errors="replace").strip()
    if not _PUBLIC_KEY.fullmatch(key):
        raise CardError(f"{path} is not a public SSH key: {hint}")
    return key
