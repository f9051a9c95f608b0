"""Tests of the detection of kernels that keep GPIO outputs."""

from pathlib import Path

import pytest

from rack.gpio.persistence import persists_outputs

BCM2835, RP1 = "pinctrl-bcm2835", "pinctrl-rp1"


def write_kernel_files(root: Path, *bound_drivers: str, **parameters: str) -> Path:
    """Write the files of a kernel that contains both drivers of Raspberry Pis.

    Args:
        root: Root of the file system.
        bound_drivers: Drivers that control a device.
        parameters: Text of `persist_gpio_outputs`, keyed by the module.
    """
    for driver in (BCM2835, RP1):
        folder = root / "sys" / "bus" / "platform" / "drivers" / driver
        folder.mkdir(parents=True)
        (folder / "uevent").touch()
        (folder / "module").symlink_to(f"/sys/module/{driver.replace('-', '_')}")
        if driver in bound_drivers:
            (folder / "3f200000.gpio").symlink_to("/sys/devices/platform/soc/3f200000.gpio")
    for module, text in parameters.items():
        folder = root / "sys" / "module" / module / "parameters"
        folder.mkdir(parents=True)
        (folder / "persist_gpio_outputs").write_text(f"{text}\n")
    return root


@pytest.mark.parametrize(("driver", "persists"), [(BCM2835, True), (RP1, False)])
def test_persistence_is_read_from_the_driver_of_the_header(
    tmp_path: Path, driver: str, *, persists: bool
) -> None:
    root = write_kernel_files(tmp_path, driver, pinctrl_bcm2835="Y", pinctrl_rp1="N")
    assert persists_outputs(root) is persists


@pytest.mark.parametrize("driver", [BCM2835, RP1])
def test_kernel_without_the_parameter_does_not_persist(tmp_path: Path, driver: str) -> None:
    assert persists_outputs(write_kernel_files(tmp_path, driver)) is False


def test_unknown_value_of_the_parameter_counts_as_no(tmp_path: Path) -> None:
    root = write_kernel_files(tmp_path, BCM2835, pinctrl_bcm2835="?")
    assert persists_outputs(root) is False


def test_persistence_is_none_without_the_pins_of_a_raspberry_pi(tmp_path: Path) -> None:
    assert persists_outputs(tmp_path) is None
    assert persists_outputs(write_kernel_files(tmp_path / "pc", pinctrl_bcm2835="Y")) is None
