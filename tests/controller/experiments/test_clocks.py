"""Tests of the measurement of clock offsets."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import IPv4Address
from math import floor
from random import Random

import pytest

from controller.experiments.clocks import (
    ClockOffset,
    RaspClocks,
    clock_problems,
    measure_offset,
)

LOOPBACK = IPv4Address("127.0.0.1")


class DrivenRasp:
    """A rasp whose clock is off, at the end of a network whose delays are random."""

    def __init__(self, offset: float, max_delay: float, random: Random) -> None:
        self.offset = offset
        self.now = 1_000_000.0 + random.random()
        self.requests = 0
        self._max_delay = max_delay
        self._random = random

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def read_date(self) -> float:
        self.requests += 1
        self._travel()
        date = floor(self.now + self.offset)
        self._travel()
        return float(date)

    def _travel(self) -> None:
        self.now += self._max_delay * self._random.random()


@pytest.mark.parametrize("seed", range(50))
def test_offset_is_within_the_stated_error(seed: int) -> None:
    random = Random(seed)
    offset = random.choice([0.0, 0.03, -0.7, 3.2, -1e8]) + random.random() / 10
    rasp = DrivenRasp(offset, max_delay=0.002, random=random)
    measured = measure_offset(rasp.read_date, clock=rasp.clock, sleep=rasp.sleep)
    assert measured is not None
    assert measured.low - 1e-6 <= offset <= measured.high + 1e-6
    assert measured.error <= 0.005
    assert rasp.requests <= 10


def test_slow_network_gives_a_larger_error_and_ends() -> None:
    rasp = DrivenRasp(0.25, max_delay=0.3, random=Random(1))
    measured = measure_offset(rasp.read_date, clock=rasp.clock, sleep=rasp.sleep)
    assert measured is not None
    assert measured.low <= 0.25 <= measured.high
    assert measured.error < 0.5


def test_clock_that_is_set_during_the_measurement_is_measured_again() -> None:
    rasp = DrivenRasp(100.0, max_delay=0.001, random=Random(2))

    def read_date() -> float:
        rasp.offset = 100.0 if rasp.requests < 4 else 0.0
        return rasp.read_date()

    measured = measure_offset(read_date, clock=rasp.clock, sleep=rasp.sleep)
    assert measured is not None
    assert abs(measured.seconds) <= 0.006


def test_clock_of_an_http_server_is_measured() -> None:
    with _server_with_offset(0.4) as port:
        offsets = RaspClocks(port).measure(
            {"01-1": LOOPBACK, "01-2": IPv4Address("127.0.0.2")}, max_error=0.1
        )
    offset = offsets["01-1"]
    assert offset is not None
    assert offset.low <= 0.4 <= offset.high
    assert offsets["01-2"] is None
    assert clock_problems(offsets, 10.0) == ["the clock of 01-2 is unknown"]


@pytest.mark.parametrize("date", ["", "yesterday", "Fri, 99 Foo 2026 00:00:00 GMT"])
def test_invalid_date_is_an_unknown_clock(date: str) -> None:
    with _server_with_date(lambda: date) as port:
        assert RaspClocks(port).measure({"01-1": LOOPBACK}) == {"01-1": None}


def test_clock_that_may_be_farther_off_than_the_bound_is_a_problem() -> None:
    offsets = {
        "01-1": ClockOffset(0.044, 0.048),
        "01-2": ClockOffset(0.048, 0.052),
        "01-3": ClockOffset(-7200.2, -7200.0),
    }
    assert clock_problems(offsets, 0.05) == [
        "the clock of 01-2 is off by +50 ms (±2 ms)",
        "the clock of 01-3 is off by -7200.1 s",
    ]


def _server_with_offset(offset: float) -> AbstractContextManager[int]:
    return _server_with_date(lambda: formatdate(floor(time.time() + offset), usegmt=True))


@contextmanager
def _server_with_date(date: Callable[[], str]) -> Iterator[int]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response_only(404)
            self.send_header("Date", date())
            self.send_header("Content-Length", "0")
            self.end_headers()

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
