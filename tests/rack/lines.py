"""A stand-in for the module lgpio that keeps account of each line, as the kernel would.

It does what lgpio 0.2.2 does (lgGpio.c): to claim a line anew is to let go of it first, to claim an
output as an output again changes nothing, and to read a line that is not claimed makes it an input.
"""

from types import ModuleType


class GpioError(Exception):
    pass


class Lines(ModuleType):
    """The lines of some chips, by their labels, and all that was done to them."""

    error = GpioError
    SET_PULL_NONE, SET_PULL_UP, SET_PULL_DOWN = 1, 2, 4
    RISING_EDGE, FALLING_EDGE, BOTH_EDGES = 1, 2, 3

    def __init__(self, labels: dict[int, str]) -> None:
        super().__init__("lgpio")
        self.labels = labels
        self.opened: set[int] = set()
        self.busy: set[int] = set()  # lines that another program has
        self.broken: set[int] = set()  # lines that cannot be written
        self.driven: dict[int, int] = {}  # the level of each line that is an output
        self.claimed: dict[int, str] = {}
        self.calls: list[tuple[str, int, int]] = []

    def gpiochip_open(self, chip: int) -> int:
        if chip not in self.labels:
            raise GpioError("can not open gpiochip")
        self.opened.add(chip)
        return chip

    def gpiochip_close(self, chip: int) -> None:
        self.opened.remove(chip)

    def gpio_get_chip_info(self, chip: int) -> list[int | str]:
        return [0, 54, f"gpiochip{chip}", self.labels[chip]]

    def gpio_get_mode(self, chip: int, line: int) -> int:
        return 2 if line in self.driven else 0

    def gpio_claim_input(self, chip: int, line: int, flags: int = 0) -> None:
        self._do("claim_input", line)
        self.claimed[line] = "input"
        self.driven.pop(line, None)

    def gpio_claim_output(self, chip: int, line: int, level: int = 0, flags: int = 0) -> None:
        self._do("claim_output", line, level)
        if line in self.busy:
            raise GpioError("GPIO busy")
        if self.claimed.get(line) != "output":
            self.claimed[line] = "output"
            self.driven[line] = level

    def gpio_free(self, chip: int, line: int) -> None:
        self._do("free", line)
        self.driven.pop(line, None)

    def gpio_read(self, chip: int, line: int) -> int:
        if line not in self.claimed:
            self.gpio_claim_input(chip, line)
        return self.driven.get(line, 0)

    def gpio_write(self, chip: int, line: int, level: int) -> None:
        self._do("write", line, level)
        if line in self.broken:
            raise GpioError("bad GPIO write")
        assert self.claimed[line] == "output"
        self.driven[line] = level

    def _do(self, what: str, line: int, level: int = -1) -> None:
        self.calls.append((what, line, int(level)))
