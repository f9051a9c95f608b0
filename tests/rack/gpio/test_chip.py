"""Tests that the chip of the header is found, and that errors name their cause and a fix."""

import errno
import os
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

import pytest
from gpiod.line import Direction

from rack.gpio.chip import HeaderChip
from rack.gpio.errors import GpioError, GpioNotReadyError
from rack.gpio.holder import CONSUMER
from tests.rack.gpio.test_persistence import BCM2835, write_kernel_files


@dataclass
class Info:
    """Information about a chip or a line."""

    label: str = ""
    consumer: str = ""
    used: bool = False
    direction: Direction = Direction.INPUT


class Request:
    """A line request, on the descriptor of a new pipe."""

    def __init__(self) -> None:
        self.fd, self._end = os.pipe()

    def __enter__(self) -> "Request":
        return self

    def __exit__(
        self,
        type_: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        os.close(self.fd)
        os.close(self._end)


@dataclass
class FakeChip:
    """A chip of libgpiod."""

    label: str
    path: str = ""
    error: Exception | None = None
    direction: Direction = Direction.INPUT
    consumer: str = "gpioset"
    is_used: bool = True
    requests: list[tuple[int, Any, str]] = field(default_factory=list)
    is_closed: bool = False

    def get_info(self) -> Info:
        return Info(label=self.label)

    def get_line_info(self, line: int) -> Info:
        return Info(consumer=self.consumer, used=self.is_used, direction=self.direction)

    def request_lines(self, config: dict[int, Any], consumer: str) -> Request:
        if self.error:
            raise self.error
        [(line, settings)] = config.items()
        self.requests.append((line, settings.direction, consumer))
        return Request()

    def close(self) -> None:
        self.is_closed = True


def make_header(
    folder: Path, chips: dict[str, FakeChip | OSError], *, driver: str | None = BCM2835
) -> HeaderChip:
    """Return the header of a machine with these devices."""
    dev = folder / "dev"
    dev.mkdir()
    for name in chips:
        (dev / name).touch()
    if driver:
        write_kernel_files(folder, driver)

    def open_chip(path: str) -> Any:
        chip = chips[Path(path).name]
        if isinstance(chip, OSError):
            raise chip
        chip.path = path
        return chip

    return HeaderChip(dev, root=folder, open_chip=open_chip)


@pytest.mark.parametrize(
    ("labels", "number"),
    [
        (["pinctrl-bcm2835"], 0),
        (["pinctrl-bcm2711", "raspberrypi-exp-gpio"], 0),
        (["gpio-brcmstb@107d508500", "pinctrl-rp1"], 1),
    ],
)
def test_chip_of_header_is_found_by_label(tmp_path: Path, labels: list[str], number: int) -> None:
    chips = [FakeChip(label) for label in labels]
    names: dict[str, FakeChip | OSError] = {f"gpiochip{n}": chip for n, chip in enumerate(chips)}
    header = make_header(tmp_path, names)
    os.close(header.request(17))
    # The direction and the level of the line stay.
    assert chips[number].requests == [(17, Direction.AS_IS, CONSUMER)]
    assert all(chip.is_closed for chip in chips[:number])


@pytest.mark.parametrize("direction", [Direction.OUTPUT, Direction.INPUT])
def test_direction_is_read_from_the_requested_line(tmp_path: Path, direction: Direction) -> None:
    header = make_header(tmp_path, {"gpiochip0": FakeChip("pinctrl-rp1", direction=direction)})
    assert header.is_output(17) == (direction == Direction.OUTPUT)


@pytest.mark.parametrize(
    ("consumer", "is_used", "expected"),
    [("gpioset", True, "gpioset"), ("", True, "a driver"), ("", False, "")],
)
def test_user_of_a_line_is_read_without_a_request(
    tmp_path: Path, consumer: str, is_used: bool, expected: str
) -> None:
    chip = FakeChip("pinctrl-rp1", consumer=consumer, is_used=is_used)
    assert make_header(tmp_path, {"gpiochip0": chip}).consumer(17) == expected
    assert chip.requests == []


DENIED = PermissionError(errno.EACCES, "Permission denied")
BUSY = OSError(errno.EBUSY, "Device or resource busy")


@pytest.mark.parametrize(
    ("chips", "reason"),
    [
        ({}, "gpiochip* belongs to the driver pinctrl-bcm2835"),
        ({"gpiochip0": FakeChip("gpio-mockup-A")}, "gpiochip* belongs to the driver"),
        ({"gpiochip0": DENIED}, "gpiochip0: permission denied for the user "),
        (
            {"gpiochip0": DENIED, "gpiochip1": FakeChip("raspberrypi-exp-gpio")},
            "gpiochip0: permission",
        ),
        ({"gpiochip0": OSError(errno.EIO, "Input/output error")}, "gpiochip0: Input/output error"),
        (
            {"gpiochip0": FakeChip("pinctrl-rp1", error=BUSY)},
            "GPIO17 is used by `gpioset`: end that program",
        ),
        (
            {"gpiochip0": FakeChip("pinctrl-rp1", error=ValueError("invalid"))},
            "gpiochip0 has no such line",
        ),
    ],
)
def test_error_names_its_cause(
    tmp_path: Path, chips: dict[str, FakeChip | OSError], reason: str
) -> None:
    with pytest.raises(GpioError) as error:
        make_header(tmp_path, chips).request(17)
    assert reason in str(error.value)
    assert "\n" not in str(error.value)


def test_machine_without_pins_is_reported(tmp_path: Path) -> None:
    header = make_header(tmp_path, {"gpiochip0": FakeChip("gpio-mockup-A")}, driver=None)
    with pytest.raises(GpioError, match="no GPIO pins: use a Raspberry Pi") as error:
        header.request(17)
    assert not isinstance(error.value, GpioNotReadyError)


@pytest.mark.parametrize("chips", [{}, {"gpiochip0": DENIED}])
def test_device_that_udev_may_still_release_is_not_ready(
    tmp_path: Path, chips: dict[str, FakeChip | OSError]
) -> None:
    header = make_header(tmp_path, chips)
    with pytest.raises(GpioNotReadyError):
        header.request(17)
    (tmp_path / "dev" / "gpiochip0").touch()
    chips["gpiochip0"] = FakeChip("pinctrl-bcm2711")
    os.close(header.request(17))
