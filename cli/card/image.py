"""The boot partition in an image file, which mtools reads and writes without root.

The commands change a copy of the image. The copy replaces the image when it is complete.
"""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from cli.card.contents import CardError
from cli.card.partition import BootPartition
from rack.files import rename_durably

_SECTOR_BYTES = 512
_TABLE_OFFSET = 446
_ENTRY_BYTES = 16
_ENTRIES = 4
_SIGNATURE = b"\x55\xaa"
_FAT_TYPES = {0x01, 0x04, 0x06, 0x0B, 0x0C, 0x0E, 0xEF}
_COMPRESSED = {b"\xfd7zXZ": "xz", b"\x1f\x8b": "gzip", b"PK": "zip", b"\x28\xb5\x2f\xfd": "zstd"}
_TIMEOUT = 120.0


class ImagePartition:
    """The boot partition in an image file.

    Args:
        image: Path of the image.
        offset: Position of the partition in bytes.
    """

    def __init__(self, image: Path, offset: int) -> None:
        self._drive = f"{image}@@{offset}"

    def read(self, name: str) -> bytes | None:
        """Return the content of a file, or None if it does not exist.

        Raises:
            CardError: If mtools cannot read the partition.
        """
        listed = self._run("mdir", "-i", self._drive, "-b", f"::/{name.rpartition('/')[0]}")
        names = listed.decode(errors="replace").lower().splitlines()  # FAT ignores the case
        if f"::/{name}".lower() not in names:
            return None
        return self._run("mcopy", "-i", self._drive, f"::/{name}", "-")

    def write(self, files: Mapping[str, bytes]) -> None:
        """Replace files.

        Raises:
            CardError: If mtools cannot write a file. Discard the image.
        """
        with tempfile.TemporaryDirectory() as folder:
            for name, content in files.items():
                path = Path(folder, name)
                path.parent.mkdir(exist_ok=True)
                path.write_bytes(content)
            sources = map(str, sorted(Path(folder).iterdir()))
            self._run("mcopy", "-i", self._drive, "-s", "-o", "-Q", *sources, "::/")
        for name, content in files.items():
            if self.read(name) != content:
                raise CardError(f"mtools did not write {name}: write the image again")

    def _run(self, *command: str) -> bytes:
        try:
            completed = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                env={**os.environ, "LC_ALL": "C", "MTOOLSRC": os.devnull},
                timeout=_TIMEOUT,
                check=False,
            )
        except FileNotFoundError:
            raise CardError(
                "mtools is missing: run `sudo apt install mtools`, or mount the boot partition and"
                " name its folder"
            ) from None
        except (OSError, subprocess.TimeoutExpired) as error:
            raise CardError(f"`{command[0]}`: {error}") from error
        if completed.returncode:
            lines = completed.stderr.decode(errors="replace").strip().splitlines()
            reason = lines[-1] if lines else f"exit status {completed.returncode}"
            raise CardError(f"`{command[0]}`: {reason}")
        return completed.stdout


@contextmanager
def image_partition(image: Path) -> Iterator[BootPartition]:
    """Open the boot partition of a copy of an image. At the end, the copy replaces the image.

    Raises:
        CardError: If the file is not an image with a FAT partition, or cannot be replaced.
    """
    try:
        offset = _find_boot_partition(image)
        with tempfile.TemporaryDirectory(dir=image.parent, prefix=f".{image.name}.") as folder:
            copy = Path(shutil.copy2(image, folder))
            if os.geteuid() == 0:
                os.chown(copy, image.stat().st_uid, image.stat().st_gid)
            yield ImagePartition(copy, offset)
            with copy.open("rb+") as file:
                os.fsync(file.fileno())
            rename_durably(copy, image)
    except OSError as error:
        raise CardError(
            f"cannot replace {image}: {error.strerror}: the image was not changed"
        ) from error


def _find_boot_partition(image: Path) -> int:
    """Return the position of the first FAT partition in bytes."""
    with image.open("rb") as file:
        sector = file.read(_SECTOR_BYTES)
    for magic, name in _COMPRESSED.items():
        if sector.startswith(magic):
            raise CardError(f"{image} is compressed with {name}: unpack it first")
    if sector[-2:] == _SIGNATURE and len(sector) == _SECTOR_BYTES:
        for number in range(_ENTRIES):
            entry = sector[_TABLE_OFFSET + number * _ENTRY_BYTES :][:_ENTRY_BYTES]
            if entry[4] in _FAT_TYPES:
                return int.from_bytes(entry[8:12], "little") * _SECTOR_BYTES
    raise CardError(
        f"{image} has no FAT partition: name the image of an SD card, or the folder at which its"
        " boot partition is mounted"
    )
