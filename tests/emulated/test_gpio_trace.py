"""Tests of the decoder of QEMU's GPIO trace."""

from tests.emulated.gpio_trace import Drive, PinChange, decode

SET, CLEAR = 0x1C, 0x28
SELECT_16_TO_19 = 0x04  # pins 10 to 19, three bits for each
PIN_16_OUTPUT = 1 << 18
PIN_16_ALTERNATE = 0b100 << 18
PIN_17_OUTPUT = 1 << 21


def write(time: float, offset: int, value: int, device: str = "bcm2835_gpio") -> str:
    return (
        f"42@{time:.6f}:memory_region_ops_write cpu 0 mr 0x55d0c0a0 addr 0x{0x3F200000 + offset:x}"
        f" value 0x{value:x} size 4 name '{device}'"
    )


def decoded(
    *lines: str, pins: tuple[int, ...] = (16, 17), resets: tuple[float, ...] = ()
) -> list[PinChange]:
    return list(decode(lines, pins, resets))


def test_output_that_is_claimed_at_its_level_changes_once() -> None:
    lines = (write(1, SET, 1 << 16), write(2, SELECT_16_TO_19, PIN_16_OUTPUT))
    assert decoded(*lines) == [PinChange(2, 16, Drive.INPUT, Drive.HIGH)]


def test_output_that_is_claimed_before_its_level_is_a_glitch() -> None:
    lines = (write(1, SELECT_16_TO_19, PIN_16_OUTPUT), write(2, SET, 1 << 16))
    assert decoded(*lines) == [
        PinChange(1, 16, Drive.INPUT, Drive.LOW),
        PinChange(2, 16, Drive.LOW, Drive.HIGH),
    ]


def test_level_that_is_written_again_is_no_change() -> None:
    claimed = (write(1, SET, 1 << 16), write(2, SELECT_16_TO_19, PIN_16_OUTPUT))
    assert len(decoded(*claimed, write(3, SET, 1 << 16), write(4, CLEAR, 0))) == 1


def test_several_pins_of_one_write_change_together() -> None:
    both_outputs = write(1, SELECT_16_TO_19, PIN_16_OUTPUT | PIN_17_OUTPUT)
    assert decoded(both_outputs, write(2, SET, 0b11 << 16))[2:] == [
        PinChange(2, 16, Drive.LOW, Drive.HIGH),
        PinChange(2, 17, Drive.LOW, Drive.HIGH),
    ]


def test_released_output_becomes_an_input() -> None:
    lines = (write(1, SELECT_16_TO_19, PIN_16_OUTPUT), write(2, SELECT_16_TO_19, 0))
    assert decoded(*lines)[1] == PinChange(2, 16, Drive.LOW, Drive.INPUT)


def test_function_of_the_chip_is_neither_an_input_nor_an_output() -> None:
    [change] = decoded(write(1, SELECT_16_TO_19, PIN_16_ALTERNATE))
    assert change.new is Drive.ALTERNATE


def test_pin_above_31_uses_the_second_register() -> None:
    lines = (write(1, SET + 4, 1 << 1), write(2, 0x0C, 1 << 9))
    assert decoded(*lines, pins=(33,)) == [PinChange(2, 33, Drive.INPUT, Drive.HIGH)]


def test_reset_makes_every_output_an_input_at_its_time() -> None:
    claimed = (write(1, SET, 1 << 16), write(2, SELECT_16_TO_19, PIN_16_OUTPUT))
    released = PinChange(3, 16, Drive.HIGH, Drive.INPUT)
    assert decoded(*claimed, resets=(3,))[1:] == [released]
    later = write(4, SELECT_16_TO_19, PIN_16_OUTPUT)
    assert decoded(*claimed, later, resets=(3,))[1:] == [
        released,
        PinChange(4, 16, Drive.INPUT, Drive.LOW),
    ]


def test_other_devices_other_pins_and_other_lines_are_ignored() -> None:
    lines = (
        write(1, SELECT_16_TO_19, PIN_16_OUTPUT, device="bcm2835-sdhost"),
        write(2, SELECT_16_TO_19, PIN_17_OUTPUT),
        "qemu-system-aarch64: warning: …",
    )
    assert decoded(*lines, pins=(16,)) == []
