"""Tests that a read-only root file system is detected, also by the sandbox of a service."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from exporter.root_filesystem import is_root_read_only, parse_root_superblock
from tests.helpers.waiting import TIMEOUT_SECONDS

RW = "rw,errors=remount-ro"


def write_root(
    root: Path, options: str, *, mount_options: str = "rw,relatime", errors: int | None = None
) -> Path:
    """Write the files of a root file system with these options of its superblock."""
    files = {
        "proc/self/mountinfo": (
            "22 99 0:21 / /proc rw - proc proc ro\n"
            f"99 1 179:2 / / {mount_options} shared:1 - ext4 /dev/mmcblk0p2 {options}\n"
            "23 99 0:5 / /dev rw - devtmpfs udev ro\n"
        ),
        "sys/dev/block/179:2/uevent": "MAJOR=179\nMINOR=2\nDEVNAME=mmcblk0p2\nPARTN=2\n",
        "etc/passwd": "root:x:0:0:root:/root:/bin/sh\n",
    }
    if errors is not None:
        files["sys/fs/ext4/mmcblk0p2/errors_count"] = f"{errors}\n"
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


@pytest.mark.parametrize(
    "options", ["ro", "ro,errors=remount-ro", f"{RW},emergency_ro", f"{RW},shutdown"]
)
def test_options_of_the_superblock_show_a_read_only_file_system(
    options: str, tmp_path: Path
) -> None:
    assert is_root_read_only(write_root(tmp_path, options))


@pytest.mark.parametrize("options", ["rw", RW, "rw,errors=remount-ro,data=journal"])
def test_read_only_mount_of_a_writable_file_system_is_not_read_only(
    options: str, tmp_path: Path
) -> None:
    assert not is_root_read_only(write_root(tmp_path, options, mount_options="ro,relatime"))


@pytest.mark.parametrize("errors", [0, 3, None])
def test_old_errors_of_a_readable_file_system_do_not_make_it_read_only(
    errors: int | None, tmp_path: Path
) -> None:
    assert not is_root_read_only(write_root(tmp_path, RW, errors=errors))


def test_last_mount_at_the_root_counts() -> None:
    superblock = parse_root_superblock(
        "1 0 0:2 / / rw - rootfs rootfs ro\n"
        "26 1 179:2 / / ro,noatime shared:1 master:2 - ext4 /dev/x rw\n"
    )
    assert superblock is not None
    assert (superblock.type, superblock.options) == ("ext4", frozenset({"rw"}))


@pytest.mark.parametrize("mountinfo", ["", "x\n", "22 26 0:21 / /proc rw - proc proc rw\n"])
def test_unknown_root_file_system_has_no_value(mountinfo: str, tmp_path: Path) -> None:
    (write_root(tmp_path, RW) / "proc/self/mountinfo").write_text(mountinfo)
    with pytest.raises(OSError, match="contains no mount at /"):
        is_root_read_only(tmp_path)


def test_missing_mountinfo_has_no_value(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        is_root_read_only(tmp_path)


SCRIPT = """
set -eu
mount --make-rprivate /
cd "$1"
truncate --size 16M image
mkfs.ext4 -q image
mkdir root
mount -o loop,errors=remount-ro image root
trap 'cd "$1" && umount --recursive root' EXIT
mkdir root/proc root/sys root/etc root/service
echo root > root/etc/passwd
sync -f root
mount --rbind /sys root/sys
mount -t proc proc root/proc
device=$(basename "$(findmnt -n -o SOURCE root)")
check() {
    "$2" - "$1" <<'END'
import os
import sys
from pathlib import Path
sys.path.insert(0, os.environ["PROJECT"])
from exporter import root_filesystem
os.chroot("root")
os.chdir("/")
root = Path("/")
print(sys.argv[1], root_filesystem.is_root_read_only(root), root_filesystem._can_open_files(root))
END
}
check writable "$2"
mount -o remount,bind,ro root
check sandboxed "$2"
mount -o remount,bind,rw root
if [ "$3" = error ]; then
    echo 1 > "/sys/fs/ext4/$device/trigger_fs_error"
    check error "$2"
else
    "$2" -c 'import fcntl, os; fcntl.ioctl(os.open("root", 0), 0x8004587D, bytes([2, 0, 0, 0]))'
    check shutdown "$2"
fi
"""


@pytest.mark.process
@pytest.mark.parametrize(
    ("event", "after"),
    [
        ("error", "error True True"),
        # Linux 6.12 to 6.14 sets this flag after an error, but does not show it.
        ("shutdown", "shutdown True False"),
    ],
)
def test_error_of_a_real_ext4_file_system_is_detected(
    event: str, after: str, tmp_path: Path
) -> None:
    if os.geteuid() != 0 or not Path("/dev/loop-control").exists():
        pytest.skip("mounting a file system requires root and loop devices")
    ended = subprocess.run(
        ["unshare", "--mount", "--pid", "--fork", "bash", "-c", SCRIPT, "bash",
         str(tmp_path), sys.executable, event],
        env={**os.environ, "PROJECT": str(Path.cwd())},
        capture_output=True, text=True, timeout=TIMEOUT_SECONDS, check=False,
    )  # fmt: skip
    lines = ["writable False True", "sandboxed False True", after]
    assert ended.stdout.splitlines() == lines, ended.stderr
