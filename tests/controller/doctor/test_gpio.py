"""Checks of GPIO chips and of the kernel."""

from dataclasses import replace
from pathlib import Path

import pytest

from controller.doctor.finding import FindingSeverity
from controller.doctor.gpio import check_permissions, check_persistence, has_udev_rule, read_chips
from rack.gpio.persistence import NOT_PERSISTENT


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Root of a Raspberry Pi whose kernel keeps GPIO outputs."""
    driver = tmp_path / "sys/bus/platform/drivers/pinctrl-bcm2835"
    driver.mkdir(parents=True)
    (driver / "fe200000.gpio").symlink_to(tmp_path)
    parameters = tmp_path / "sys/module/pinctrl_bcm2835/parameters"
    parameters.mkdir(parents=True)
    (parameters / "persist_gpio_outputs").write_text("Y\n")
    (tmp_path / "boot/firmware").mkdir(parents=True)
    (tmp_path / "boot/firmware/config.txt").write_text("# dtparam=strict_gpiod\narm_64bit=1\n")
    (tmp_path / "dev").mkdir()
    chip = tmp_path / "dev/gpiochip0"
    chip.touch()
    chip.chmod(0o660)
    return tmp_path


def test_chip_without_the_group_gpio_is_found_until_the_udev_rule_is_applied(root: Path) -> None:
    (root / "dev/gpiochip0").chmod(0o600)
    [chip] = read_chips(root)
    of_root = replace(chip, group="root")
    [finding] = check_permissions([of_root], has_rule=has_udev_rule(root))
    assert finding.problem == "the group gpio cannot use /dev/gpiochip0 (root, mode 0600)"
    assert finding.fix.startswith("`sudo python3 -m deploy.install_master` installs")
    rule = root / "etc/udev/rules.d/60-pirack-gpio.rules"
    rule.parent.mkdir(parents=True)
    rule.touch()
    [finding] = check_permissions([of_root], has_rule=has_udev_rule(root))
    assert "`sudo udevadm trigger --subsystem-match=gpio`" in finding.fix
    (root / "dev/gpiochip0").chmod(0o660)
    [chip] = read_chips(root)
    assert check_permissions([chip], has_rule=True) != []
    assert check_permissions([replace(chip, group="gpio")], has_rule=True) == []


def test_machine_without_gpio_chip_is_found(root: Path) -> None:
    (root / "dev/gpiochip0").unlink()
    [finding] = check_permissions(read_chips(root), has_rule=True)
    assert finding.severity is FindingSeverity.ERROR
    assert "/dev/gpiochip* does not exist" in finding.problem


@pytest.mark.parametrize(
    "line",
    ["dtparam=strict_gpiod", " dtparam=i2c_arm=on,strict_gpiod", "dtparam=strict_gpiod=on # why"],
)
def test_strict_gpiod_is_found_until_its_line_is_removed(root: Path, line: str) -> None:
    config = root / "boot/firmware/config.txt"
    previous = config.read_text()
    config.write_text(f"{previous}{line}\n")
    [finding] = check_persistence(root, "6.12")
    place = "/boot/firmware/config.txt:3"
    assert finding.problem == f"{place} contains strict_gpiod, which the next boot applies"
    (root / "sys/module/pinctrl_bcm2835/parameters/persist_gpio_outputs").write_text("N\n")
    [finding] = check_persistence(root, "6.12")
    assert finding.problem == f"{place} contains strict_gpiod"
    assert finding.fix == f"remove strict_gpiod from {place}, then reboot the master"
    assert finding.reason == NOT_PERSISTENT
    config.write_text(previous)
    (root / "sys/module/pinctrl_bcm2835/parameters/persist_gpio_outputs").write_text("Y\n")
    assert check_persistence(root, "6.12") == []


def test_kernel_that_releases_outputs_is_found_with_the_fix_for_this_kernel(root: Path) -> None:
    parameter = root / "sys/module/pinctrl_bcm2835/parameters/persist_gpio_outputs"
    parameter.write_text("N\n")
    [finding] = check_persistence(root, "6.12.9")
    assert finding.problem == "the kernel 6.12.9 does not keep GPIO outputs"
    assert finding.fix.startswith("add ` pinctrl_bcm2835.persist_gpio_outputs=1` to the line in")
    parameter.unlink()
    [finding] = check_persistence(root, "6.1.0")
    assert "bookworm-backports linux-image-arm64" in finding.fix
    parameter.write_text("Y\n")
    assert check_persistence(root, "6.12.9") == []
