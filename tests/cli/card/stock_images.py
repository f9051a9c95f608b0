"""Boot partitions of stock images, and the files that `pirack card` needs."""

import struct
import subprocess
import zipfile
from pathlib import Path

from tools.programs import find

BOOKWORM_CMDLINE = (
    "console=serial0,115200 console=tty1 root=PARTUUID=4e639091-02 rootfstype=ext4 fsck.repair=yes"
    " rootwait quiet init=/usr/lib/raspberrypi-sys-mods/firstboot\n"
)
TRIXIE_CMDLINE = (
    "console=serial0,115200 console=tty1 root=PARTUUID=4e639091-02 rootfstype=ext4 fsck.repair=yes"
    " rootwait resize\n"
)
# As on Raspberry Pi OS, user-data and network-config contain comments only.
BOOKWORM = {"cmdline.txt": BOOKWORM_CMDLINE, "config.txt": "arm_64bit=1\n"}
TRIXIE = {
    "cmdline.txt": TRIXIE_CMDLINE,
    "config.txt": "arm_64bit=1\n",
    "user-data": "#cloud-config\n\n# The user-data of cloud-init.\n#hostname: raspberrypi\n",
    "meta-data": "dsmode: local\ninstance_id: rpios-image\n",
    "network-config": "# A netplan configuration.\n\n#network:\n#  version: 2\n",
}

PUBLIC_KEY = (
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGH5qLc1Z7mIzMVxHTBXMT1LQPtZ2nYIhGYw1uYk5RzX pirack@master"
)
PARTITION_OFFSET = 2**20
IMAGE_BYTES = 10 * 2**20
EXPORTER_BYTES = 100_000


def write_boot_folder(folder: Path, files: dict[str, str]) -> Path:
    """Write a boot partition that is mounted at a folder."""
    folder.mkdir()
    for name, content in files.items():
        (folder / name).write_text(content)
    return folder


def card_options(folder: Path) -> list[str]:
    """Write the files that `pirack card` needs, and return the options that name them."""
    key, program = folder / "master.pub", folder / "exporter.pyz"
    key.write_text(f"{PUBLIC_KEY}\n")
    with zipfile.ZipFile(program, "w") as archive:
        archive.writestr("exporter/__init__.py", '__version__ = "1.2.3"\n')
        archive.writestr("data", b"x" * EXPORTER_BYTES)
    return ["--key", str(key), "--exporter", str(program), "--rack", "rack.toml"]


class StockImage:
    """An image file with a partition table and a FAT partition."""

    def __init__(self, path: Path, files: dict[str, str]) -> None:
        self.path = path
        self.environment = find("mcopy").environment
        self.tools = find("mcopy").path.parent
        sectors = (IMAGE_BYTES - PARTITION_OFFSET) // 512
        entry = struct.pack("<B3sB3sII", 0, b"", 0x0C, b"", PARTITION_OFFSET // 512, sectors)
        table = b"\0" * 446 + entry + b"\0" * 48 + b"\x55\xaa"
        path.write_bytes(table.ljust(IMAGE_BYTES, b"\0"))
        self.run("mformat", "-T", str(sectors), "::")
        for name, content in files.items():
            source = path.with_name("source")
            source.write_text(content)
            self.run("mcopy", str(source), f"::{name}")
            source.unlink()

    def run(self, program: str, *arguments: str) -> bytes:
        """Run a program of mtools for the partition."""
        drive = f"{self.path}@@{PARTITION_OFFSET}"
        return subprocess.run(
            [self.tools / program, "-i", drive, *arguments],
            env={**self.environment, "MTOOLSRC": "/dev/null"},
            capture_output=True,
            timeout=60,
            check=True,
        ).stdout

    def read(self, name: str) -> bytes:
        return self.run("mcopy", f"::{name}", "-")

    def list_files(self) -> list[str]:
        return self.run("mdir", "-b", "-/", "::").decode().splitlines()
