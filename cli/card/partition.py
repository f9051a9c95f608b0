"""The boot partition of a card: a mounted folder, or a FAT partition in an image file."""

import errno
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Protocol

from cli.card.contents import CardError
from rack.files import rename_durably, write_durably


class BootPartition(Protocol):
    """A boot partition whose files can be replaced together."""

    def read(self, name: str) -> bytes | None:
        """Return the content of a file, or None if it does not exist."""

    def write(self, files: Mapping[str, bytes]) -> None:
        """Replace all files in this order, or none of them."""


class MountedPartition:
    """A boot partition that is mounted at a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def read(self, name: str) -> bytes | None:
        """Return the content of a file, or None if it does not exist.

        Raises:
            CardError: If the file cannot be read.
        """
        try:
            return (self._folder / name).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self._error("read", name, error) from error

    def write(self, files: Mapping[str, bytes]) -> None:
        """Replace files in this order. On an error or Ctrl-C, restore the previous ones.

        All new files are complete before the first one replaces a file. If the power fails, each
        file has its old or its new content.

        Raises:
            CardError: If a file cannot be written. All previous files were restored.
        """
        with ExitStack() as undo:
            try:
                for name, content in files.items():
                    self._stage(name, content, undo)
                for name in files:
                    undo.callback(self._restore, name, self.read(name))
                    rename_durably(self._new_path(name), self._folder / name)
            except OSError as error:
                raise self._error("write", name, error) from error
            undo.pop_all()

    def _stage(self, name: str, content: bytes, undo: ExitStack) -> None:
        folder = (self._folder / name).parent
        if not folder.exists():
            undo.callback(_remove, folder.rmdir)
            folder.mkdir()
        path = self._new_path(name)
        undo.callback(_remove, path.unlink)
        write_durably(path, content, like=self._folder / name)

    def _restore(self, name: str, previous: bytes | None) -> None:
        path, new = self._folder / name, self._new_path(name)
        try:
            if previous is None:
                path.unlink(missing_ok=True)
            else:
                write_durably(new, previous, like=path)
                rename_durably(new, path)
        except OSError as error:
            raise CardError(
                f"cannot restore {path}: {error.strerror}: write the image again"
            ) from error

    def _new_path(self, name: str) -> Path:
        path = self._folder / name
        return path.with_name(f"{path.name}.new")

    def _error(self, verb: str, name: str, error: OSError) -> CardError:
        hint = "mount the partition writable, as root or with sudo"
        if error.errno == errno.ENOSPC:
            hint = "remove other files from the partition"
        return CardError(f"cannot {verb} {self._folder / name}: {error.strerror}: {hint}")


@contextmanager
def mounted_partition(folder: Path) -> Iterator[BootPartition]:
    """Open a boot partition that is mounted at `folder`."""
    yield MountedPartition(folder)


def _remove(remove: Callable[[], None]) -> None:
    """Remove a temporary file or folder, if it is still there."""
    with suppress(OSError):
        remove()
