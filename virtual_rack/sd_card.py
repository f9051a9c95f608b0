"""SD card of a virtual rasp, an ext4 image that loses unsynced data when the power is cut.

A rasp mounts its card in its own mount namespace, with mount(8) and a loop device. The kernel
releases the loop device when the mount ends, even if the rack is killed.
"""

import fcntl
import os
import struct
import subprocess
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from tools.programs import Program

MOUNT_POINT = "var/lib"
"""Folder of a rasp on its card, relative to the root of the rasp."""

_SIZE = 1 << 30  # bytes; an image uses only the space of the blocks that were written
_SHUTDOWN = 0x8004587D  # FS_IOC_SHUTDOWN, see linux/fs.h
_WITHOUT_LOG_FLUSH = struct.pack("I", 2)  # EXT4_GOING_FLAGS_NOLOGFLUSH
_PROGRAM_SECONDS = 20.0


class SdCard:
    """An SD card, formatted as a new one.

    Args:
        image: File of the card, which is created.
        mkfs: The program mkfs.ext4.
        keeps_page_cache: Whether a power cut keeps data that was not synced.

    Raises:
        OSError: If the image cannot be created.
    """

    def __init__(self, image: Path, mkfs: Program, *, keeps_page_cache: bool = False) -> None:
        self.image = image.resolve()
        self._keeps_page_cache = keeps_page_cache
        with self.image.open("wb") as file:
            file.truncate(_SIZE)
        _run([*mkfs.command, "-q", str(self.image)], mkfs.environment)

    def cut_power(self, root: Path) -> None:
        """Discard the data that was not synced, and let all further accesses fail.

        Args:
            root: Root folder of the mount namespace that mounts the card. Without a mounted card,
                for example because its processes have ended, this method does nothing.

        Raises:
            OSError: If the file system does not support it.
        """
        if self._keeps_page_cache:
            return
        try:
            folder = os.open(root / MOUNT_POINT, os.O_RDONLY | os.O_DIRECTORY)
        except OSError:
            return
        try:
            # Otherwise, this would shut down a file system of the machine.
            if self._is_on_card(os.fstat(folder).st_dev):
                fcntl.ioctl(folder, _SHUTDOWN, _WITHOUT_LOG_FLUSH)
        finally:
            os.close(folder)

    def is_in_use(self) -> bool:
        """Return whether a loop device still uses the card, for example until a mount ends."""
        return any(map(self._is_connected_to, Path("/sys/block").glob("loop*")))

    def _is_on_card(self, device: int) -> bool:
        return self._is_connected_to(Path(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}"))

    def _is_connected_to(self, device: Path) -> bool:
        with suppress(OSError):  # not a loop device, or not connected
            return (device / "loop/backing_file").read_text() == f"{self.image}\n"
        return False


def unavailable_reason(folder: Path, mkfs: Program) -> str:
    """Try a card, which is created in `folder`, in this mount namespace.

    Returns:
        The reason why this machine or user has no cards, or "".
    """
    with tempfile.TemporaryDirectory(dir=folder) as name:
        root = Path(name)
        mount_point = root / MOUNT_POINT
        mount_point.mkdir(parents=True)
        try:
            card = SdCard(root / "card.img", mkfs)
            _run(["mount", "-o", "loop", str(card.image), str(mount_point)], os.environ)
            try:
                card.cut_power(root)
            finally:
                _run(["umount", str(mount_point)], os.environ)
        except OSError as error:
            return error.strerror or str(error)
    return ""


def _run(argv: list[str], environment: Mapping[str, str]) -> None:
    try:
        subprocess.run(
            argv,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_PROGRAM_SECONDS,
            check=True,
        )
    except subprocess.CalledProcessError as error:
        raise OSError(0, error.stderr.strip().partition("\n")[0], argv[-1]) from error
    except subprocess.TimeoutExpired as error:
        message = f"{argv[0]} did not finish within {_PROGRAM_SECONDS:.0f} s"
        raise OSError(0, message, argv[-1]) from error
