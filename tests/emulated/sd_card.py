"""Write the SD card of an emulated master."""

import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

from tests.emulated.foreign_programs import ForeignRoot
from tests.emulated.kernels import KernelFiles
from tools.programs import find

_IMAGE_BYTES = 4 * 2**30  # QEMU requires a power of two
_COMMAND_SECONDS = 1800.0
# Of the emulated master, eth0 is connected to the rack, and usb0 to the tests.
_FILES = {
    "etc/hostname": "master\n",
    "etc/hosts": "127.0.0.1 localhost master\n",
    "etc/fstab": "/dev/mmcblk0 / ext4 rw,noatime 0 1\n",
    "etc/machine-id": "",
    "etc/resolv.conf": "nameserver 10.0.2.3\n",
    "etc/modprobe.d/emulator.conf": "blacklist vchiq\n",  # the driver crashes in QEMU
    # On a busy machine, the kernel may not recognize the emulated network card at once.
    "etc/systemd/system/usb-network.service": "[Service]\nType=oneshot\n"
    "ExecStart=/bin/sh -c 'cd /sys/bus/platform/drivers/dwc2; for attempt in 1 2 3 4 5 6; do"
    " sleep 20; [ -e /sys/class/net/usb0 ] && exit;"
    " echo 3f980000.usb > unbind; echo 3f980000.usb > bind; done'\n"
    "[Install]\nWantedBy=multi-user.target\n",
    "etc/systemd/network/10-rack.netdev": "[NetDev]\nName=eth0\nKind=dummy\n",
    "etc/systemd/network/10-rack.network": "[Match]\nName=eth0\n[Link]\nRequiredForOnline=no\n"
    "[Network]\nAddress=10.23.0.1/16\nConfigureWithoutCarrier=yes\nIPv6AcceptRA=no\n",
    "etc/systemd/network/20-tests.network": "[Match]\nName=usb*\n[Network]\nDHCP=ipv4\n",
}


def write_card(
    installed: Path, kernels: Iterable[KernelFiles], public_key: str, image: Path
) -> None:
    """Write the image of an SD card with a copy of a root.

    Args:
        installed: The root.
        kernels: Kernels whose modules the card contains.
        public_key: Public key that may log in as root with SSH.
        image: New image.
    """
    root = image.with_name("card-root")
    shutil.rmtree(root, ignore_errors=True)
    subprocess.run(
        ["cp", "--archive", "--reflink=auto", str(installed), str(root)],
        check=True,
        timeout=_COMMAND_SECONDS,
    )
    for files in kernels:
        target = root / "lib" / "modules" / files.modules.name
        shutil.copytree(files.modules, target, symlinks=True)
    for name, content in _FILES.items():
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.unlink(missing_ok=True)
        file.write_text(content, encoding="utf-8")
    keys = root / "root" / ".ssh" / "authorized_keys"
    keys.parent.mkdir(mode=0o700, exist_ok=True)
    keys.write_text(public_key, encoding="utf-8")
    keys.chmod(0o600)
    (root / "var" / "log" / "journal").mkdir(exist_ok=True)  # keeps the log of previous boots
    _edit(root / "etc/default/isc-dhcp-server", 'INTERFACESv4=""', 'INTERFACESv4="eth0"')
    _edit(root / "etc/pirack/rack.toml", "boot_seconds = 120", "boot_seconds = 5")  # no rasp boots
    units = ("ssh", "systemd-networkd", "usb-network")
    ForeignRoot(root).run("systemctl", "enable", "--quiet", *units)
    image.unlink(missing_ok=True)
    with image.open("wb") as card:
        card.truncate(_IMAGE_BYTES)
    program = find("mkfs.ext4")
    subprocess.run(
        [*program.command, "-q", "-O", "^metadata_csum", "-d", str(root), str(image)],
        env=program.environment,
        check=True,
        timeout=_COMMAND_SECONDS,
    )
    shutil.rmtree(root)


def _edit(file: Path, previous: str, new: str) -> None:
    text = file.read_text(encoding="utf-8")
    assert previous in text, f"{file} does not contain {previous}"
    file.write_text(text.replace(previous, new), encoding="utf-8")
