"""Fake of the module lgpio that records the calls and the state of each line.

The fake behaves like lgpio 0.2.2 (lgGpio.c). Claiming a line again releases the line first, but
claiming an output again changes nothing. Reading an unclaimed line makes the line an input.
"""

from types import ModuleType


class GpioError(Exception):
    pass


class FakeLgpio(ModuleType):
    """A fake `lgpio` with chips of the given labels. It records all calls."""

    error = GpioError
    SET_PULL_NONE, SET_PULL_UP, SET_PULL_DOWN = 1, 2, 4
    RISING_EDGE, FALLING_EDGE, BOTH_EDGES = 1, 2, 3

    def __init__(self, labels: dict[int, str]) -> None:
        super().__init__("lgpio")
        self.labels = labels
        self.open_chips: set[int] = set()
        self.busy_lines: set[int] = set()  # used by another program
        self.broken_lines: set[int] = set()  # not writable
        self.output_levels: dict[int, int] = {}  # of each line
        self.claimed: dict[int, str] = {}
        self.calls: list[tuple[str, int, int]] = []

    def gpiochip_open(self, chip: int) -> int:
        if chip not in self.labels:
            raise GpioError("can not open gpiochip")
        self.open_chips.add(chip)
        return chip

    def gpiochip_close(self, chip: int) -> None:
        self.open_chips.remove(chip)

    def gpio_get_chip_info(self, chip: int) -> list[int | str]:
        return [0, 54, f"gpiochip{chip}", self.labels[chip]]

    def gpio_get_mode(self, chip: int, line: int) -> int:
        return 2 if line in self.output_levels else 0

    def gpio_claim_input(self, chip: int, line: int, flags: int = 0) -> None:
        self._record_call("claim_input", line)
        self.claimed[line] = "input"
        self.output_levels.pop(line, None)

    def gpio_claim_output(self, chip: int, line: int, level: int = 0, flags: int = 0) -> None:
        self._record_call("claim_output", line, level)
        if line in self.busy_lines:
            raise GpioError("GPIO busy")
        if self.claimed.get(line) != "output":
            self.claimed[line] = "output"
            self.output_levels[line] = level

    def gpio_free(self, chip: int, line: int) -> None:
        self._record_call("free", line)
        self.output_levels.pop(line, None)

    def gpio_read(self, chip: int, line: int) -> int:
        if line not in self.claimed:
            self.gpio_claim_input(chip, line)
        return self.output_levels.get(line, 0)

    def gpio_write(self, chip: int, line: int, level: int) -> None:
        self._record_call("write", line, level)
        if line in self.broken_lines:
            raise GpioError("bad GPIO write")
        assert self.claimed[line] == "output"
        self.output_levels[line] = level

    def _record_call(self, operation: str, line: int, level: int = -1) -> None:
        self.calls.append((operation, line, int(level)))
