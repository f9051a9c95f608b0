"""Checks of the clock, the memory, the power supply, the disk and the backups."""

from dataclasses import replace
from pathlib import Path

import pytest

from controller.doctor.backups import check_backup
from controller.doctor.finding import NotCheckedError
from controller.doctor.machine import check_clock, check_memory, check_supply
from controller.doctor.storage import check_card, check_space, judge_space, read_card
from controller.master.clock import is_time_synchronized
from controller.master.readings import read_master

DAY = 86400.0
SANDBOX_MOUNTS = """\
21 1 8:2 / / ro,relatime shared:1 - ext4 /dev/mmcblk0p2 rw,errors=remount-ro
22 21 8:2 /var/lib/pirack /var/lib/pirack rw,relatime shared:2 - ext4 /dev/mmcblk0p2 rw
23 21 0:5 / /sys ro,nosuid shared:3 - sysfs sysfs ro
"""


def test_clock_without_time_server_is_found_until_it_is_synchronized() -> None:
    [finding] = check_clock(is_synchronized=False)
    assert "`sudo timedatectl set-ntp true`" in finding.fix
    assert check_clock(is_synchronized=True) == []
    with pytest.raises(NotCheckedError):
        check_clock(is_synchronized=None)


@pytest.mark.process
@pytest.mark.parametrize(("answer", "expected"), [("yes", True), ("no", False), ("", None)])
def test_sandboxed_controller_asks_timedated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: str, expected: bool | None
) -> None:
    program = tmp_path / "timedatectl"
    program.write_text(
        f'#!/bin/sh\ntest "$*" = "show --property=NTPSynchronized --value" && echo "{answer}"\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert is_time_synchronized(lambda: -1) is expected
    assert is_time_synchronized(lambda: 0) is True
    assert is_time_synchronized(lambda: 5) is False


def test_low_memory_is_found(tmp_path: Path) -> None:
    readings = replace(read_master(tmp_path), memory_total_bytes=2**30)
    [finding] = check_memory(replace(readings, memory_available_bytes=64 * 2**20))
    assert finding.problem == "6% of the memory is available (64 MiB)"
    assert "`ps aux --sort=-rss | head`" in finding.fix
    assert check_memory(replace(readings, memory_available_bytes=512 * 2**20)) == []


def test_under_voltage_is_found_now_and_since_boot() -> None:
    [now] = check_supply(["under_voltage"], ["under_voltage"])
    [earlier] = check_supply([], ["under_voltage", "throttled"])
    assert (now.problem, earlier.problem) == (
        "the master has too little voltage",
        "the master had, since its boot, too little voltage",
    )
    assert check_supply([], []) == check_supply(None, None) == []


def test_full_disk_is_found_with_the_commands_that_free_space(tmp_path: Path) -> None:
    [finding] = judge_space(tmp_path, 0.03, 0.01)
    assert finding.problem.endswith("has 3% of its space and 1% of its inodes left")
    assert "`sudo apt-get clean`" in finding.fix
    assert judge_space(tmp_path, 0.5, 0.5) == []
    assert check_space(Path("/proc")) == []  # a file system without blocks


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Root of a machine with a healthy card."""
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/mountinfo").write_text(SANDBOX_MOUNTS)
    (tmp_path / "sys/fs/ext4/mmcblk0p2").mkdir(parents=True)
    (tmp_path / "sys/fs/ext4/mmcblk0p2/errors_count").write_text("0\n")
    (tmp_path / "sys/block/mmcblk0/device").mkdir(parents=True)
    (tmp_path / "sys/block/mmcblk0/device/life_time").write_text("0x01 0x02\n")
    return tmp_path


@pytest.fixture
def journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Kernel log that `journalctl --dmesg` prints."""
    (tmp_path / "bin").mkdir()
    program, log = tmp_path / "bin/journalctl", tmp_path / "kernel.log"
    program.write_text(f"#!/bin/sh\ncat {log}\n")
    program.chmod(0o755)
    log.write_text("usb 1-1: device descriptor read/64, error -71\n")
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:/usr/bin:/bin")
    return log


@pytest.mark.process
@pytest.mark.parametrize(
    ("file", "text", "problem"),
    [
        (
            "proc/self/mountinfo",
            SANDBOX_MOUNTS.replace("rw,errors=remount-ro", "ro,errors=remount-ro"),
            "the file system of / is read-only, probably after an error",
        ),
        ("sys/fs/ext4/mmcblk0p2/errors_count", "7\n", "the file system of mmcblk0p2 has 7 errors"),
        (
            "sys/block/mmcblk0/device/life_time",
            "0x02 0x0a\n",
            "mmcblk0 has used 90 to 100 % of its life time",
        ),
        (
            "kernel.log",
            "blk_update_request: I/O error, dev mmcblk0, sector 12\nother\n",
            "the kernel logged 1 disk errors since the boot, the last one: blk_update_request:"
            " I/O error, dev mmcblk0, sector 12",
        ),
    ],
)
@pytest.mark.usefixtures("journal")
def test_failing_card_is_found_until_it_is_replaced(
    root: Path, file: str, text: str, problem: str
) -> None:
    folder = Path("/var/lib/pirack")
    assert check_card(read_card(root, folder)) == []
    healthy = (root / file).read_text()
    (root / file).write_text(text)
    [finding] = check_card(read_card(root, folder))
    assert finding.problem == problem
    assert "`sudo pirack-controller backup pirack-backup.tar.gz`" in finding.fix
    (root / file).write_text(healthy)
    assert check_card(read_card(root, folder)) == []


@pytest.mark.process
def test_card_is_not_checked_without_the_log_of_the_kernel(
    root: Path, tmp_path: Path, journal: Path
) -> None:
    journal.unlink()
    with pytest.raises(NotCheckedError, match="the log of the kernel cannot be read: "):
        read_card(root, tmp_path)


def test_missing_and_old_backups_are_found() -> None:
    [missing] = check_backup(None, 100 * DAY, rasps=48)
    assert missing.problem == "there is no backup of this master"
    [old] = check_backup(50 * DAY, 100 * DAY, rasps=48)
    assert old.problem == "the newest backup is 50 days old"
    assert "`sudo pirack-controller backup pirack-backup.tar.gz`" in old.fix
    assert check_backup(99 * DAY, 100 * DAY, rasps=48) == []
    assert check_backup(None, 100 * DAY, rasps=0) == []
