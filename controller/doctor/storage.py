"""Check the disk and the SD card of the master."""

import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from controller.doctor.finding import Finding, FindingSeverity, NotCheckedError
from controller.doctor.programs import run_program

DISK, CARD = "disk_space", "sd_card"

_MIN_SPACE_RATIO = 0.10  # as the packaged thresholds.yml
_MIN_FILES_RATIO = 0.05
_WORN_LIFE_TIME = 9  # JEDEC 84-B51: 0x09 is 80 to 90 % of the life time
_DISK_ERROR = re.compile(
    r"I/O error, dev (?:mmcblk|sd|nvme)|EXT4-fs error|mmc\d+: (?:error|timeout)", re.IGNORECASE
)
_LOSS = "the card or disk may fail soon, and pirack.db is lost with it"
_REPLACE = (
    "`sudo pirack-controller backup pirack-backup.tar.gz`, copy the archive to another machine, and"
    " replace the card (docs/how-to/operations.md#restore)"
)


def check_space(folder: Path) -> list[Finding]:
    """Return whether the file system with pirack.db is nearly full."""
    status = os.statvfs(folder)
    space = status.f_bavail / status.f_blocks if status.f_blocks else 1.0
    files = status.f_favail / status.f_files if status.f_files else 1.0  # 0: no limit
    return judge_space(folder, space, files)


def judge_space(folder: Path, space: float, files: float) -> list[Finding]:
    """Return the findings for these fractions of available space and files."""
    what = []
    if space < _MIN_SPACE_RATIO:
        what.append(f"{space:.0%} of its space")
    if files < _MIN_FILES_RATIO:
        what.append(f"{files:.0%} of its inodes")
    if not what:
        return []
    return [
        Finding(
            DISK,
            FindingSeverity.ERROR,
            problem=f"the file system of {folder} has {' and '.join(what)} left",
            reason="orders cannot be stored and are then refused, and Prometheus stops storing",
            fix="`sudo du -xh --max-depth=3 / | sort -h | tail` lists the largest folders."
            " `sudo apt-get clean` and `sudo journalctl --vacuum-size=200M` free space",
        )
    ]


@dataclass(frozen=True, slots=True)
class CardReadings:
    """What the kernel knows about disks.

    Attributes:
        read_only: Mount points whose file system is read-only.
        file_system_errors: Number of errors of each ext4 file system, keyed by device.
        life_times: Used life time of each eMMC, in steps of 10 %, keyed by device.
        log: Lines of the kernel's log.
    """

    read_only: Sequence[str]
    file_system_errors: dict[str, int]
    life_times: dict[str, int]
    log: Sequence[str]


def read_card(root: Path, folder: Path) -> CardReadings:
    """Read the state of the disks.

    Raises:
        NotCheckedError: If the kernel's log cannot be read.
    """
    mounts = (root / "proc/self/mountinfo").read_text(encoding="utf-8", errors="replace")
    errors = {
        path.parent.name: _read_number(path) for path in root.glob("sys/fs/ext4/*/errors_count")
    }
    life_times = {
        path.parts[-3]: _read_number(path, base=16)
        for path in root.glob("sys/block/mmcblk*/device/life_time")
    }
    shown = run_program(
        [
            *("journalctl", "--quiet", "--no-pager", "--dmesg", "--output=cat", "--lines=5000"),
            "--priority=err",
        ]
    )
    if shown.returncode != 0:
        reason = "".join(shown.stdout.splitlines()[:1])
        raise NotCheckedError(
            f"the log of the kernel cannot be read: {reason}",
            "run `sudo pirack-controller doctor` on the master",
        )
    return CardReadings(
        read_only_file_systems(mounts, folder), errors, life_times, shown.stdout.splitlines()
    )


def read_only_file_systems(mountinfo: str, folder: Path) -> list[str]:
    """Return the mount points of the root and of `folder` whose file system is read-only.

    The sandbox of the controller mounts the root read-only, which the options of the mount show.
    The options of the file system, at the end of the line, show whether the kernel made the file
    system itself read-only, for example after an error.

    Args:
        mountinfo: Text of /proc/self/mountinfo.
        folder: Folder of pirack.db.
    """
    options_by_mount: dict[str, str] = {}
    for line in mountinfo.splitlines():
        fields, _, end = line.partition(" - ")
        words = fields.split()
        if len(words) > 4 and end:  # noqa: PLR2004 - the fifth field is the mount point
            options_by_mount[words[4]] = end.split()[-1]
    mounts = {"/", *(str(path) for path in (folder, *folder.parents) if str(path) != "/")}
    return sorted(
        mount
        for mount, options in options_by_mount.items()
        if mount in mounts and "ro" in options.split(",")
    )


def _read_number(path: Path, base: int = 10) -> int:
    words = path.read_text(encoding="ascii").split()
    return max((int(word, base) for word in words), default=0)


def check_card(readings: CardReadings) -> list[Finding]:
    """Return signs of a failing card or disk."""
    problems = [
        f"the file system of {mount} is read-only, probably after an error"
        for mount in readings.read_only
    ]
    findings = [
        Finding(CARD, FindingSeverity.ERROR, problem, "nothing can be stored on it", _REPLACE)
        for problem in problems
    ]
    findings += [
        Finding(
            CARD,
            FindingSeverity.ERROR,
            f"the file system of {device} has {count} errors",
            _LOSS,
            f"{_REPLACE}. To repair the file system only, add `fsck.mode=force` to"
            " /boot/firmware/cmdline.txt for one boot",
        )
        for device, count in readings.file_system_errors.items()
        if count
    ]
    findings += [
        Finding(
            CARD,
            FindingSeverity.WARNING,
            f"{device} has used {(steps - 1) * 10} to {steps * 10} % of its life time",
            _LOSS,
            _REPLACE,
        )
        for device, steps in readings.life_times.items()
        if steps >= _WORN_LIFE_TIME
    ]
    if errors := _disk_errors(readings.log):
        findings.append(
            Finding(
                CARD,
                FindingSeverity.ERROR,
                f"the kernel logged {len(errors)} disk errors since the boot, the last one:"
                f" {errors[-1]}",
                _LOSS,
                _REPLACE,
            )
        )
    return findings


def _disk_errors(log: Iterable[str]) -> list[str]:
    return [line for line in log if _DISK_ERROR.search(line)]
