"""Debian's kernels for a Raspberry Pi 3: downloaded, with a small initramfs and a device tree."""

import gzip
import lzma
import shutil
import stat
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.emulated.debian_root import KEYRING, MIRROR
from tests.helpers.waiting import TIMEOUT_SECONDS
from tools.debian_packages import DebianPackages
from tools.programs import find

# What the kernel needs to mount the root on the SD card of QEMU's Raspberry Pi 3.
_BOOT_MODULES = ("ext4", "mmc_block", "bcm2835", "crc32c_generic")
# Drivers of hardware that QEMU's Raspberry Pi 3 does not have.
_UNUSED_DRIVERS = (
    *("ata", "gpu", "iio", "infiniband", "media", "net/ethernet", "net/wireless", "nvme", "scsi"),
)
_DEVICE_TREE = "broadcom/bcm2837-rpi-3-b.dtb"
# The firmware of a Raspberry Pi adds the revision of the board. This is a 3 B with 1 GB.
_REVISION = "a02082"
_INIT = """\
#!/bin/busybox sh
b=/bin/busybox
$b mount -t proc proc /proc
$b mount -t devtmpfs dev /dev
for module in $($b cat /modules/order); do $b insmod "/modules/$module"; done
for attempt in $($b seq 300); do
    [ -b /dev/mmcblk0 ] && break
    $b sleep 0.2
done
$b mount -t ext4 /dev/mmcblk0 /root || exec $b sh
$b umount /proc
$b mount -o move /dev /root/dev
exec $b switch_root /root /sbin/init
"""


@dataclass(frozen=True)
class KernelSource:
    """A kernel of Debian 12 for aarch64.

    Args:
        name: Name for tests and folders.
        suite: Suite of Debian that contains the kernel.
        parameters: Parameters on the command line of the kernel.
        persists_outputs: Whether the kernel keeps driving the pins of an ended process.
    """

    name: str
    suite: str
    parameters: tuple[str, ...]
    persists_outputs: bool


KERNELS = (
    # Behaves like the kernel of Raspberry Pi OS, which sets this parameter by default.
    KernelSource(
        "persistent", "bookworm-backports", ("pinctrl_bcm2835.persist_gpio_outputs=1",), True
    ),
    KernelSource("debian", "bookworm", (), False),
)


@dataclass(frozen=True)
class KernelFiles:
    """The files that start a kernel, and the folder of its modules."""

    image: Path
    device_tree: Path
    initramfs: Path
    modules: Path


def kernel_files(folder: Path) -> KernelFiles:
    """Return the files of a kernel in a folder of `build_kernel`."""
    [modules] = (folder / "modules").iterdir()
    return KernelFiles(
        folder / "vmlinuz", folder / "device-tree.dtb", folder / "initramfs.cpio.gz", modules
    )


def build_kernel(source: KernelSource, folder: Path, busybox: Path) -> None:
    """Download a kernel and write its files to a new folder.

    Args:
        source: The kernel.
        folder: Folder that receives the files.
        busybox: A static busybox for aarch64.

    Raises:
        PackageError: If the kernel cannot be downloaded.
        ProgramError: If a program is not available.
    """
    folder.mkdir(parents=True)
    tree = _download(source, folder / "packages")
    [image] = (tree / "boot").glob("vmlinuz-*")
    version = image.name.removeprefix("vmlinuz-")
    shutil.copy(image, folder / "vmlinuz")
    _copy_device_tree(tree / f"usr/lib/linux-image-{version}" / _DEVICE_TREE, folder)
    modules = folder / "modules" / version
    shutil.copytree(tree / "lib" / "modules" / version, modules, symlinks=True)
    for name in _UNUSED_DRIVERS:
        shutil.rmtree(modules / "kernel" / "drivers" / name, ignore_errors=True)
    shutil.rmtree(modules / "kernel" / "sound", ignore_errors=True)
    _list_dependencies(folder, version)
    with gzip.open(folder / "initramfs.cpio.gz", "wb", compresslevel=1) as initramfs:
        initramfs.write(cpio_archive(_initramfs_entries(modules, busybox)))
    shutil.rmtree(folder / "packages")


def _list_dependencies(folder: Path, version: str) -> None:
    """Write `modules.dep` and the other lists of modules."""
    expected = folder / "depmod" / "lib" / "modules"
    expected.parent.mkdir(parents=True)
    expected.symlink_to(folder / "modules")
    program = find("depmod")
    subprocess.run(
        [*program.command, "--basedir", folder / "depmod", version],
        env=program.environment,
        check=True,
        timeout=TIMEOUT_SECONDS,
    )
    shutil.rmtree(folder / "depmod")


def _download(source: KernelSource, folder: Path) -> Path:
    folder.mkdir()
    sources = folder / "sources.list"
    suites = dict.fromkeys(("bookworm", source.suite))
    lines = [f"deb [arch=arm64 signed-by={KEYRING}] {MIRROR} {suite} main\n" for suite in suites]
    sources.write_text("".join(lines), encoding="utf-8")
    status = folder / "status"  # no package is installed
    status.touch()
    packages = DebianPackages(
        folder,
        (
            "APT::Architecture=arm64",
            "APT::Architectures=arm64",
            f"APT::Default-Release={source.suite}",
            f"Dir::Etc::SourceList={sources}",
            "Dir::Etc::SourceParts=/dev/null",
            f"Dir::State::Status={status}",
        ),
    )
    return packages.unpack("linux-image-arm64")


def _copy_device_tree(shipped: Path, folder: Path) -> None:
    device_tree = folder / "device-tree.dtb"
    shutil.copy(shipped, device_tree)
    program = find("fdtput")
    subprocess.run(
        [*program.command, "-p", "-t", "x", device_tree, "/system", "linux,revision", _REVISION],
        env=program.environment,
        check=True,
        timeout=TIMEOUT_SECONDS,
    )


def _initramfs_entries(modules: Path, busybox: Path) -> dict[str, tuple[int, bytes]]:
    """Return the mode and the content of the files and folders of the initramfs, by path."""
    folders = ("bin", "dev", "modules", "proc", "root", "sys")
    entries = dict.fromkeys(folders, (stat.S_IFDIR | 0o755, b""))
    entries["init"] = (stat.S_IFREG | 0o755, _INIT.encode())
    entries["bin/busybox"] = (stat.S_IFREG | 0o755, busybox.read_bytes())
    dependencies = parse_dependencies((modules / "modules.dep").read_text(encoding="utf-8"))
    order = load_order(dependencies, _BOOT_MODULES)
    names = [Path(path).name.removesuffix(".xz") for path in order]
    entries["modules/order"] = (stat.S_IFREG | 0o644, "\n".join(names).encode())
    for path, name in zip(order, names, strict=True):
        content = (modules / path).read_bytes()
        content = lzma.decompress(content) if path.endswith(".xz") else content
        entries[f"modules/{name}"] = (stat.S_IFREG | 0o644, content)
    return entries


def parse_dependencies(text: str) -> dict[str, tuple[str, ...]]:
    """Return the modules that each module of a `modules.dep` requires, keyed by path."""
    lines = (line.partition(":") for line in text.splitlines())
    return {path: tuple(required.split()) for path, _, required in lines}


def load_order(
    dependencies: Mapping[str, tuple[str, ...]], names: Iterable[str]
) -> tuple[str, ...]:
    """Return the paths of modules, after those of the modules that they require.

    Names of modules that are built into the kernel have no path and are omitted.
    """
    order: dict[str, None] = {}
    for name in names:
        for path, required in dependencies.items():
            if Path(path).name.partition(".ko")[0].replace("-", "_") == name:
                # depmod lists the modules that have to be loaded first at the end.
                order |= dict.fromkeys((*reversed(required), path))
    return tuple(order)


def cpio_archive(entries: Mapping[str, tuple[int, bytes]]) -> bytes:
    """Return an archive of files and folders in the format `newc`, which the kernel reads."""
    archive = bytearray()
    for inode, (name, (mode, content)) in enumerate((*entries.items(), ("TRAILER!!!", (0, b"")))):
        fields = (inode, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(name) + 1, 0)
        header = "070701" + "".join(f"{number:08X}" for number in fields)
        for part in (header.encode() + name.encode() + b"\0", content):
            archive += part
            archive += b"\0" * (-len(archive) % 4)
    return bytes(archive)
