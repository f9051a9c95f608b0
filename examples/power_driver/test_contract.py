"""Tests of the driver with a simulated power supply: the contract of all power drivers."""

import re
import socketserver
import threading
from collections.abc import Callable, Iterator, Sequence

import pytest
from pirack_scpi.driver import ScpiDriver, ScpiSettings

from rack.power.contract import RemoteDriverContract
from rack.power.registry import driver_type

CHANNELS = ("1", "2", "3")
WATTS = 3.4


class SimulatedSupply(socketserver.ThreadingTCPServer):
    """A power supply that understands the three commands of the driver."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Session)
        self.is_on = dict.fromkeys(CHANNELS, False)


class _Session(socketserver.StreamRequestHandler):
    server: SimulatedSupply

    def handle(self) -> None:
        for line in self.rfile:
            self.wfile.write(self.reply(line.decode().strip()))

    def reply(self, line: str) -> bytes:
        is_on = self.server.is_on
        if found := re.fullmatch(r"OUTP (ON|OFF),\(@(\d)\);\*OPC\?", line):
            is_on[found[2]] = found[1] == "ON"
            return b"1\n"
        if found := re.fullmatch(r"OUTP\? \(@(\d)\)", line):
            return b"1\n" if is_on[found[1]] else b"0\n"
        if found := re.fullmatch(r"MEAS:POW\? \(@(\d)\)", line):
            return f"{WATTS if is_on[found[1]] else 0.0:.3f}\n".encode()
        return b"-113,Undefined header\n"


@pytest.fixture
def supply() -> Iterator[SimulatedSupply]:
    """Run a simulated power supply."""
    with SimulatedSupply() as supply:
        thread = threading.Thread(target=supply.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield supply
        supply.shutdown()
        thread.join()


class TestScpiDriver(RemoteDriverContract):
    """The contract of all power drivers."""

    driver_class = ScpiDriver

    @pytest.fixture
    def settings(self, supply: SimulatedSupply) -> ScpiSettings:
        return ScpiSettings(host="127.0.0.1", port=supply.server_address[1])

    @pytest.fixture
    def unreachable(self) -> ScpiSettings:
        return ScpiSettings(host="127.0.0.1", port=1, timeout_seconds=1.0)

    @pytest.fixture
    def addresses(self) -> Sequence[str]:
        return CHANNELS

    @pytest.fixture
    def other_form(self) -> str:
        return "01"

    @pytest.fixture
    def invalid_address(self) -> str:
        return "9"

    @pytest.fixture
    def supplies_power(self, supply: SimulatedSupply) -> Callable[[str], bool]:
        return lambda address: supply.is_on[address]


def test_watts_are_measured(supply: SimulatedSupply) -> None:
    driver = ScpiDriver("bench", ScpiSettings(host="127.0.0.1", port=supply.server_address[1]))
    supply.is_on["1"] = True
    assert {address: reading.watts for address, reading in driver.read(["1", "2"]).items()} == {
        "1": WATTS,
        "2": 0.0,
    }


def test_pirack_finds_the_driver_by_its_name() -> None:
    assert driver_type("scpi") is ScpiDriver
