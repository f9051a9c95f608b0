"""Power driver `scpi`, for laboratory power supplies with several channels.

Standard Commands for Programmable Instruments over TCP: `OUTP ON,(@1)` switches channel 1 on, and
`*OPC?` returns `1` when this is done. `OUTP? (@1)` returns `1` or `0`, and `MEAS:POW? (@1)` returns
the power consumption in watts.
"""

import socket
from collections.abc import Callable, Mapping, Sequence
from ipaddress import ip_address
from typing import Annotated, ClassVar

from pydantic import AfterValidator, Field

from rack.clock import Moment
from rack.power.remote_driver import RemoteDriver
from rack.power.state import OutletReading, SwitchResult
from rack.settings import Settings

MAX_CHANNEL = 8
MAX_REPLY_BYTES = 256


def check_host(host: str) -> str:
    """Return the normalized form of an IP address."""
    return str(ip_address(host))


class ScpiSettings(Settings):
    """Keys of `[power.NAME]`, besides `driver`."""

    host: Annotated[str, AfterValidator(check_host)] = Field(
        description='the IP address of the power supply, for example `"10.23.0.3"`'
    )
    port: int = Field(5025, ge=1, le=65535, description="its TCP port, 1 to 65535")
    timeout_seconds: float = Field(
        5.0, gt=0, le=60, description="the time for a reply, in seconds, up to 60"
    )


class ScpiDriver(RemoteDriver[ScpiSettings]):
    """Switches and reads the channels of a power supply, each over a connection of its own."""

    settings_type: ClassVar[type[Settings]] = ScpiSettings

    @classmethod
    def normalize_address(cls, settings: ScpiSettings, address: str) -> str:  # noqa: ARG003
        """Return the number of a channel without leading zeros."""
        if address.isascii() and address.isdecimal() and 1 <= int(address) <= MAX_CHANNEL:
            return str(int(address))
        raise ValueError(f"is not a channel: use 1 to {MAX_CHANNEL}")

    @property
    def device(self) -> str:
        """See `RemoteDriver.device`."""
        return f"scpi {self.settings.host}"

    @property
    def timeout(self) -> float:
        """The time for a reply."""
        return self.settings.timeout_seconds

    def read(self, addresses: Sequence[str]) -> Mapping[str, OutletReading]:
        """Return the state of each channel. An error makes it unknown, never off."""
        return {address: self._read(address) for address in addresses}

    def send(
        self, power: Mapping[str, bool], now: Callable[[], Moment]
    ) -> Mapping[str, SwitchResult]:
        """Switch each channel."""
        results = {}
        for address, is_on in power.items():
            before = now()
            try:
                self._query(f"OUTP {'ON' if is_on else 'OFF'},(@{address});*OPC?")
                results[address] = SwitchResult(before, now())
            except OSError as error:
                results[address] = SwitchResult(before, None, self._unreachable(address, error))
        return results

    def _read(self, address: str) -> OutletReading:
        try:
            state = self._query(f"OUTP? (@{address})")
            watts = self._query(f"MEAS:POW? (@{address})")
            return OutletReading({"0": False, "1": True}[state], max(0.0, float(watts)))
        except OSError as error:
            return OutletReading(None, error=self._unreachable(address, error))
        except (KeyError, ValueError):
            problem = "the reply is not that of a power supply: check its address"
            return OutletReading(None, error=self.error_line(address, problem))

    def _query(self, command: str) -> str:
        """Send a command, and return the reply. Raise `OSError`."""
        target = (self.settings.host, self.settings.port)
        with socket.create_connection(target, timeout=self.settings.timeout_seconds) as connection:
            connection.sendall(f"{command}\n".encode())
            with connection.makefile("rb") as replies:
                reply = replies.readline(MAX_REPLY_BYTES)
        return reply.decode("ascii", "replace").strip()

    def _unreachable(self, address: str, error: OSError) -> str:
        if isinstance(error, TimeoutError):
            problem = f"no reply within {self.settings.timeout_seconds:g} s"
        else:
            problem = error.strerror or str(error)
        return self.error_line(address, f"{problem}: check the power supply and its address")
