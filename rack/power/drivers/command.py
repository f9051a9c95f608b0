"""Power driver `command`, for outlets that a program of a vendor or of the user switches."""

import re
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated, ClassVar

from pydantic import AfterValidator, Field, Strict, model_validator

from rack.clock import Moment
from rack.power.drivers.bounded_process import CompletedCommand, OutputTooLargeError, run
from rack.power.remote_driver import RemoteDriver
from rack.power.state import OutletReading, SwitchResult
from rack.settings import Settings, seconds_field

PLACEHOLDER = "{address}"

_MAX_OUTPUT_BYTES = 65536
_MAX_ERROR_CHARS = 200
_ADDRESS = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/-]{0,62}")
_ON_PATTERN = r"^\s*(on|1|true)\s*$"
_OFF_PATTERN = r"^\s*(off|0|false)\s*$"
_FLAGS = re.IGNORECASE | re.MULTILINE


def _check_pattern(pattern: str) -> str:
    try:
        re.compile(pattern, _FLAGS)
    except re.error as error:
        raise ValueError(f"not a regular expression: {error}") from error
    return pattern


_Arguments = Annotated[tuple[Annotated[str, Field(min_length=1)], ...], Strict(False)]
_Pattern = Annotated[str, AfterValidator(_check_pattern)]


class CommandSettings(Settings):
    """Keys of a power source with the driver `command`."""

    on: _Arguments = Field(
        min_length=1,
        description="the program that switches an outlet on, and its arguments, in which"
        ' `{address}` is replaced: `["/usr/local/bin/pdu", "on", "{address}"]`',
    )
    off: _Arguments = Field(
        min_length=1,
        description="the program that switches an outlet off, and its arguments,"
        ' for example `["/usr/local/bin/pdu", "off", "{address}"]`',
    )
    status: _Arguments = Field(
        (),
        description="the program that prints the state of an outlet, and its arguments, for example"
        ' `["/usr/local/bin/pdu", "status", "{address}"]`. By default, the outlets are not read',
    )
    on_pattern: _Pattern = Field(
        "",
        description="the regular expression that matches the output of `status` only if the outlet"
        " is on, without regard to case. By default, a line `on`, `1` or `true`",
    )
    off_pattern: _Pattern = Field(
        "",
        description="the regular expression that matches the output of `status` only if the outlet"
        " is off. By default, a line `off`, `0` or `false`",
    )
    watts_pattern: _Pattern = Field(
        "",
        description=r"a regular expression whose first group is the power consumption in watts in"
        r" the output of `status`, for example `'([0-9.]+) W'`",
    )
    timeout_seconds: float = seconds_field(
        10.0, "the time a command may take", maximum=300, positive=True
    )
    parallel: int = Field(
        4,
        ge=1,
        le=64,
        description="the number of commands that run at the same time, 1 to 64."
        " Set it to `1` if the device allows one session only",
    )

    @model_validator(mode="after")
    def _check_watts_pattern(self) -> "CommandSettings":
        if self.watts_pattern and not re.compile(self.watts_pattern).groups:
            raise ValueError(
                f"watts_pattern {self.watts_pattern!r} has no group:"
                " put the number in parentheses, for example '([0-9.]+) W'"
            )
        return self


class CommandDriver(RemoteDriver[CommandSettings]):
    """Switches and reads outlets by running commands, without a shell.

    A command succeeds if its exit status is 0. The output of `status` defines the reading. After
    `on` and `off`, `status` verifies the state.
    """

    settings_type: ClassVar[type[Settings]] = CommandSettings

    @classmethod
    def normalize_address(cls, settings: CommandSettings, address: str) -> str:  # noqa: ARG003
        """Return the address unchanged. It must not look like an option of a program."""
        if not _ADDRESS.fullmatch(address):
            raise ValueError(
                "is not an address: use up to 63 letters, digits, and . _ : / -,"
                " starting with a letter or digit"
            )
        return address

    @property
    def device(self) -> str:
        """See `RemoteDriver.device`."""
        return "command"

    @property
    def timeout(self) -> float:
        """The time a command may take."""
        return self.settings.timeout_seconds

    def read(self, addresses: Sequence[str]) -> Mapping[str, OutletReading]:
        """Run `status` for each address."""
        with ThreadPoolExecutor(self.settings.parallel) as pool:
            return dict(zip(addresses, pool.map(self._read_one, addresses), strict=True))

    def send(
        self, power: Mapping[str, bool], now: Callable[[], Moment]
    ) -> Mapping[str, SwitchResult]:
        """Run `on` or `off` for each address."""

        def switch_one(address: str) -> SwitchResult:
            before = now()
            completed = self._run("on" if power[address] else "off", address)
            if isinstance(completed, str):
                return SwitchResult(before, None, completed)
            return SwitchResult(before, now())

        with ThreadPoolExecutor(self.settings.parallel) as pool:
            return dict(zip(power, pool.map(switch_one, power), strict=True))

    def _read_one(self, address: str) -> OutletReading:
        if not self.settings.status:
            return OutletReading(None, detail="not read, because there is no command `status`")
        completed = self._run("status", address)
        if isinstance(completed, str):
            return OutletReading(None, error=completed)
        reading = parse_status(self.settings, completed.output)
        if reading.error:
            return OutletReading(None, error=self.error_line(address, reading.error))
        return reading

    def _run(self, key: str, address: str) -> CompletedCommand | str:
        """Run the command of a key. Return the completed command or an error."""
        command = [part.replace(PLACEHOLDER, address) for part in getattr(self.settings, key)]
        timeout = self.settings.timeout_seconds
        program = self._program(key)
        try:
            completed = run(command, timeout=timeout, max_bytes=_MAX_OUTPUT_BYTES)
        except TimeoutError:
            problem = f"{program} did not end within {timeout:g} s and was killed"
            return self.error_line(address, f"{problem}: check the device, or set timeout_seconds")
        except OutputTooLargeError:
            problem = f"{program} printed more than {_MAX_OUTPUT_BYTES} bytes and was killed"
            return self.error_line(address, f"{problem}: correct the command `{key}`")
        except OSError as error:
            problem = f"{program} cannot be run: {error.strerror}"
            return self.error_line(
                address, f"{problem}: install it, or correct the command `{key}`"
            )
        if completed.status == 0:
            return completed
        end = (
            f"ended with exit status {completed.status}"
            if completed.status > 0
            else f"was killed by signal {-completed.status}"
        )
        message = _last_line(completed.errors) or _last_line(completed.output)
        problem = f"{program} {end}" + (f" ({message})" if message else "")
        return self.error_line(address, f"{problem}: run the command `{key}` as the user pirack")

    def _program(self, key: str) -> str:
        """Return the program of a command. Its arguments may contain credentials."""
        return str(getattr(self.settings, key)[0])


def parse_status(settings: CommandSettings, output: str) -> OutletReading:
    """Return the reading that the output of a successful `status` describes."""
    is_on = re.search(settings.on_pattern or _ON_PATTERN, output, _FLAGS) is not None
    is_off = re.search(settings.off_pattern or _OFF_PATTERN, output, _FLAGS) is not None
    if is_on == is_off:
        reason = (
            "matches on_pattern and off_pattern"
            if is_on
            else "matches neither on_pattern nor off_pattern"
        )
        return OutletReading(
            None,
            error=f"the output {_last_line(output)!r} of `status` {reason}: correct the patterns",
        )
    return OutletReading(is_on, watts=_parse_watts(settings.watts_pattern, output))


def _parse_watts(pattern: str, output: str) -> float | None:
    found = re.search(pattern, output, _FLAGS) if pattern else None
    try:
        watts = float(found[1]) if found and found[1] is not None else None
    except ValueError:
        return None
    return watts if watts is not None and 0 <= watts < float("inf") else None


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    line = "".join(char for char in lines[-1] if char.isprintable()) if lines else ""
    return line if len(line) <= _MAX_ERROR_CHARS else f"{line[:_MAX_ERROR_CHARS]}…"
