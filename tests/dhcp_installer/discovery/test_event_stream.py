"""Events of a log and a pinger that the test controls."""

import queue
from collections.abc import Collection, Iterator, Sequence
from ipaddress import IPv4Address
from typing import Self

import pytest

from dhcp_installer.discovery.event_stream import ClientEvent, EventStream
from dhcp_installer.discovery.strategy import DhcpActivity, PingRound
from tests.helpers.waiting import TIMEOUT_SECONDS, wait_until

MAC, OTHER_MAC = "b8:27:eb:00:00:01", "b8:27:eb:00:00:02"
STRANGER_MAC = "3c:52:82:00:00:01"
ADDRESS, OTHER_ADDRESS = IPv4Address("10.23.255.1"), IPv4Address("10.23.1.1")


class ControlledLog:
    """A log. Each read waits until the test calls `write` or `close`."""

    name = "dhcpd.log"

    def __init__(self) -> None:
        self._reads: queue.SimpleQueue[Sequence[str]] = queue.SimpleQueue()
        self._is_closed = False

    def write(self, *lines: str) -> None:
        self._reads.put(lines)

    def close(self) -> None:
        self._is_closed = True
        self.write()

    def is_read(self) -> bool:
        return self._reads.empty()

    def read(self, timeout: float) -> Sequence[str]:
        return () if self._is_closed else self._reads.get(timeout=TIMEOUT_SECONDS)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass


class ControlledPinger:
    """A pinger. Each ping waits until the test calls `finish_round` or `close`."""

    def __init__(self) -> None:
        self.pinged: queue.SimpleQueue[set[IPv4Address]] = queue.SimpleQueue()
        self._replies: queue.SimpleQueue[set[IPv4Address]] = queue.SimpleQueue()
        self._is_closed = False

    def finish_round(self, *replied: IPv4Address) -> None:
        self._replies.put(set(replied))

    def ping(self, addresses: Collection[IPv4Address], seconds: float) -> set[IPv4Address]:
        self.pinged.put(set(addresses))
        return set() if self._is_closed else self._replies.get(timeout=TIMEOUT_SECONDS)

    def close(self) -> None:
        self._is_closed = True
        self.finish_round()


class StreamFixture:
    """A stream with a controlled log, pinger and clock."""

    def __init__(self) -> None:
        self.log = ControlledLog()
        self.pinger = ControlledPinger()
        self.time = 100.0
        self.neighbors: dict[IPv4Address, str] = {}
        self.events = EventStream(
            self.log, self.pinger, 0.25, lambda: self.time, lambda: self.neighbors
        )

    def next_event(self) -> ClientEvent:
        received: list[ClientEvent] = []

        def receive() -> bool:
            event = self.events.next(self.events.now() + 1)
            received.extend([event] if event else [])
            return bool(received)

        wait_until(receive)
        return received[0]

    def next_round(self, *replied: IPv4Address) -> PingRound:
        self.pinger.finish_round(*replied)
        event = self.next_event()
        assert isinstance(event, PingRound)
        return event


@pytest.fixture
def stream() -> Iterator[StreamFixture]:
    stream = StreamFixture()
    with stream.events:
        assert stream.pinger.pinged.get(timeout=TIMEOUT_SECONDS) == set()
        try:
            yield stream
        finally:
            stream.pinger.close()
            stream.log.close()


def lease(address: IPv4Address, mac: str) -> str:
    return f"DHCPACK on {address} to {mac} via br0"


def test_round_contains_the_rasps_that_reply(stream: StreamFixture) -> None:
    stream.log.write(lease(ADDRESS, MAC), lease(OTHER_ADDRESS, OTHER_MAC))
    wait_until(lambda: len(stream.events.leased_addresses) == 2)
    assert stream.next_round().reachable == frozenset()  # the round started before the leases
    assert stream.pinger.pinged.get(timeout=TIMEOUT_SECONDS) == {ADDRESS, OTHER_ADDRESS}
    assert stream.next_round(OTHER_ADDRESS).reachable == {OTHER_MAC}
    assert stream.events.reachable_addresses == {OTHER_ADDRESS}


def test_round_that_takes_long_started_before_the_delay(stream: StreamFixture) -> None:
    stream.time += 7
    ping_round = stream.next_round()
    assert (ping_round.started_at, ping_round.time) == (0, 7)
    stream.pinger.pinged.get(timeout=TIMEOUT_SECONDS)
    stream.time += 1
    assert stream.next_round().started_at == 7


def test_client_that_gets_an_address_during_a_round_did_not_reply_in_it(
    stream: StreamFixture,
) -> None:
    stream.log.write(lease(ADDRESS, MAC))
    wait_until(lambda: stream.events.leased_addresses == {MAC: ADDRESS})
    stream.next_round()
    assert stream.pinger.pinged.get(timeout=TIMEOUT_SECONDS) == {ADDRESS}
    stream.log.write(lease(ADDRESS, OTHER_MAC))
    wait_until(lambda: OTHER_MAC in stream.events.leased_addresses)
    assert stream.next_round(ADDRESS).reachable == {MAC}


def test_summary_of_repetitions_is_no_activity_because_its_time_is_unknown(
    stream: StreamFixture,
) -> None:
    header = "Nov 28 06:42:44 master dhcpd[812]:"
    stream.log.write(
        f"{header} message repeated 2 times: [ DHCPREQUEST for {ADDRESS} from {MAC} via br0]",
        f"{header} message repeated 2 times: [ DHCPACK on {ADDRESS} to {MAC} via br0]",
        f"{header} DHCPDISCOVER from {OTHER_MAC} via br0",
    )
    event = stream.next_event()
    assert isinstance(event, DhcpActivity)
    assert event.mac == OTHER_MAC
    assert stream.events.active_macs == {MAC, OTHER_MAC}
    assert stream.events.leased_addresses == {MAC: ADDRESS}


def test_start_of_the_server_and_unreadable_lines_are_recorded(stream: StreamFixture) -> None:
    stream.log.write(*(f"line {number}" for number in range(5)), lease(ADDRESS, MAC))
    wait_until(lambda: bool(stream.events.leased_addresses))
    assert not stream.events.has_server_start()
    assert stream.events.unreadable_lines == ["line 0", "line 1", "line 2"]
    stream.log.write("Nov 28 06:42:44 master dhcpd[812]: Server starting service.")
    wait_until(stream.events.has_server_start)


def test_reply_belongs_to_the_board_that_replies_and_not_to_the_client_with_the_lease(
    stream: StreamFixture,
) -> None:
    stream.log.write(lease(ADDRESS, MAC), lease(OTHER_ADDRESS, OTHER_MAC))
    wait_until(lambda: len(stream.events.leased_addresses) == 2)
    stream.next_round()
    stream.neighbors = {ADDRESS: STRANGER_MAC, OTHER_ADDRESS: OTHER_MAC}
    assert stream.next_round(ADDRESS, OTHER_ADDRESS).reachable == {STRANGER_MAC, OTHER_MAC}
    assert stream.events.reachable_addresses == {OTHER_ADDRESS}


def test_round_reports_until_when_the_log_was_read(stream: StreamFixture) -> None:
    stream.time += 5
    stream.log.write("DHCPDISCOVER from b8:27:eb:00:00:01 via br0")  # the read started at 0
    assert isinstance(stream.next_event(), DhcpActivity)
    stream.time += 5
    stream.log.write()  # this read started at 5 or later
    stream.log.write()  # completes after the previous one
    wait_until(stream.log.is_read)
    assert stream.next_round().log_read_until == 0  # before the round
    stream.pinger.pinged.get(timeout=TIMEOUT_SECONDS)
    assert stream.next_round().log_read_until >= 5
    assert stream.events.log_read_until >= 5
