"""Check the GPIO chips of the master: permissions, and whether the kernel keeps outputs."""

import grp
import re
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from controller.doctor.finding import Finding, FindingSeverity
from rack.gpio.persistence import NOT_PERSISTENT, header_driver, persists_outputs

PERMISSIONS, PERSISTENCE = "gpio_permissions", "gpio_persistence"

_GROUP = "gpio"
_READ_WRITE = stat.S_IRGRP | stat.S_IWGRP
_BOOT_FOLDERS = ("boot/firmware", "boot")
_UDEV_RULE = "etc/udev/rules.d/60-pirack-gpio.rules"
_STRICT = re.compile(r"^\s*dtparam=(?:[^#\n]*,)?strict_gpiod\b(?!=off|=false|=0)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class ChipFile:
    """Device file of a GPIO chip, with its owner's group and its mode."""

    path: str
    group: str
    mode: int


def read_chips(root: Path) -> list[ChipFile]:
    """Return the device files of the GPIO chips."""
    chips = []
    for path in sorted(root.glob("dev/gpiochip*")):
        status = path.stat()
        chips.append(
            ChipFile(
                f"/{path.relative_to(root)}",
                _group_name(status.st_gid),
                stat.S_IMODE(status.st_mode),
            )
        )
    return chips


def _group_name(number: int) -> str:
    try:
        return grp.getgrgid(number).gr_name
    except KeyError:
        return str(number)


def check_permissions(chips: Sequence[ChipFile], *, has_rule: bool) -> list[Finding]:
    """Return the chips that the group gpio cannot use.

    Args:
        chips: The chips.
        has_rule: Whether PiRack's udev rule is installed.
    """
    reason = "no relay can be switched, and the power of the stacks is unknown"
    if not chips:
        return [
            Finding(
                PERMISSIONS,
                FindingSeverity.ERROR,
                problem="this machine has no GPIO chip: /dev/gpiochip* does not exist",
                reason=reason,
                fix="use a Raspberry Pi as the master. On a Raspberry Pi, use the kernel of"
                " Raspberry Pi OS or of Debian",
            )
        ]
    refused = [
        chip for chip in chips if chip.group != _GROUP or chip.mode & _READ_WRITE != _READ_WRITE
    ]
    if not refused:
        return []
    files = ", ".join(f"{chip.path} ({chip.group}, mode {chip.mode:04o})" for chip in refused)
    trigger = "`sudo udevadm control --reload`, then `sudo udevadm trigger --subsystem-match=gpio`"
    return [
        Finding(
            PERMISSIONS,
            FindingSeverity.ERROR,
            problem=f"the group {_GROUP} cannot use {files}",
            reason=reason,
            fix=trigger
            if has_rule
            else f"`sudo python3 -m deploy.install_master` installs /{_UDEV_RULE}",
        )
    ]


def has_udev_rule(root: Path) -> bool:
    """Return whether PiRack's udev rule for GPIO chips is installed."""
    return (root / _UDEV_RULE).exists()


def check_persistence(root: Path, kernel: str) -> list[Finding]:
    """Return whether the kernel releases the relays when the last program that holds them ends.

    Args:
        root: Root of the file system.
        kernel: Release of the kernel.
    """
    persists, strict = persists_outputs(root), _strict_lines(root)
    if strict and persists is not None:
        return [
            Finding(
                PERSISTENCE,
                FindingSeverity.WARNING,
                problem=f"{', '.join(strict)} contains strict_gpiod"
                + (", which the next boot applies" if persists else ""),
                reason=NOT_PERSISTENT,
                fix=f"remove strict_gpiod from {', '.join(strict)}, then reboot the master",
            )
        ]
    if persists is not False:
        return []
    return [
        Finding(
            PERSISTENCE,
            FindingSeverity.WARNING,
            problem=f"the kernel {kernel} does not keep GPIO outputs",
            reason=NOT_PERSISTENT,
            fix=_kernel_fix(root),
        )
    ]


def _kernel_fix(root: Path) -> str:
    module = (header_driver(root) or "pinctrl-bcm2835").replace("-", "_")
    setting = f"{module}.persist_gpio_outputs"
    add = f"add ` {setting}=1` to the line in /boot/firmware/cmdline.txt, then reboot the master"
    if (root / "sys/module" / module / "parameters/persist_gpio_outputs").exists():
        return add
    return (
        "use the kernel of Raspberry Pi OS. On Debian 12, `sudo apt-get install --target-release"
        f" bookworm-backports linux-image-arm64`, {add}"
    )


def _strict_lines(root: Path) -> list[str]:
    """Return the places of strict_gpiod in config.txt, such as `/boot/firmware/config.txt:12`."""
    for folder in _BOOT_FOLDERS:
        path = root / folder / "config.txt"
        try:
            text = path.read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue  # Debian has no config.txt, and its kernel has no strict_gpiod
        return [
            f"/{folder}/config.txt:{number}"
            for number, line in enumerate(text.splitlines(), 1)
            if _STRICT.search(line)
        ]
    return []
