"""Reachability of clients from log lines and ping replies."""

from ipaddress import IPv4Address

from dhcp_installer.dhcpd.log_events import parse_line
from dhcp_installer.discovery.reachability import ReachabilityTracker
from dhcp_installer.discovery.strategy import BecameReachable, BecameUnreachable

MAC, OTHER_MAC = "b8:27:eb:00:00:01", "b8:27:eb:00:00:02"
ADDRESS, OTHER_ADDRESS = IPv4Address("10.23.255.1"), IPv4Address("10.23.1.1")


def tracker_after(*lines: str) -> ReachabilityTracker:
    tracker = ReachabilityTracker(offline_after=1.0)
    for line in lines:
        event = parse_line(line, 0.0)
        assert event is not None, line
        tracker.add_log_event(event)
    return tracker


def test_client_is_reachable_at_its_leased_address() -> None:
    tracker = tracker_after(f"DHCPACK on {ADDRESS} to {MAC} (pi) via br0")
    assert tracker.addresses == (ADDRESS,)
    assert tracker.add_ping_round([ADDRESS], [ADDRESS], 1.0) == [BecameReachable(MAC, 1.0)]
    assert tracker.add_ping_round([ADDRESS], [ADDRESS], 1.2) == []


def test_offer_assigns_an_address() -> None:
    assert tracker_after(f"DHCPOFFER on {ADDRESS} to {MAC} via br0").addresses == (ADDRESS,)


def test_client_is_unreachable_after_three_missed_pings_and_a_second() -> None:
    tracker = tracker_after(f"DHCPACK on {ADDRESS} to {MAC} via br0")
    tracker.add_ping_round([ADDRESS], [ADDRESS], 0.0)
    assert [tracker.add_ping_round([ADDRESS], [], time) for time in (0.3, 0.6, 0.9)] == [[], [], []]
    assert tracker.add_ping_round([ADDRESS], [], 1.2) == [BecameUnreachable(MAC, 1.2)]
    assert tracker.add_ping_round([ADDRESS], [], 1.5) == []
    assert tracker.add_ping_round([ADDRESS], [ADDRESS], 1.8) == [BecameReachable(MAC, 1.8)]


def test_single_lost_pings_do_not_make_a_client_unreachable() -> None:
    tracker = tracker_after(f"DHCPACK on {ADDRESS} to {MAC} via br0")
    tracker.add_ping_round([ADDRESS], [ADDRESS], 0.0)
    for second in range(1, 20, 3):
        assert tracker.add_ping_round([ADDRESS], [], second) == []
        assert tracker.add_ping_round([ADDRESS], [], second + 1) == []
        assert tracker.add_ping_round([ADDRESS], [ADDRESS], second + 2) == []


def test_client_is_reachable_if_one_of_its_addresses_replies() -> None:
    tracker = tracker_after(
        f"DHCPACK on {ADDRESS} to {MAC} via br0", f"DHCPACK on {OTHER_ADDRESS} to {MAC} via br0"
    )
    tracker.add_ping_round([ADDRESS, OTHER_ADDRESS], [ADDRESS], 0.0)
    for time in (1.0, 2.0, 3.0, 4.0):
        assert tracker.add_ping_round([ADDRESS, OTHER_ADDRESS], [OTHER_ADDRESS], time) == []


def test_address_belongs_to_its_last_client() -> None:
    tracker = tracker_after(
        f"DHCPACK on {ADDRESS} to {MAC} via br0", f"DHCPACK on {ADDRESS} to {OTHER_MAC} via br0"
    )
    assert tracker.add_ping_round([ADDRESS], [ADDRESS], 0.0) == [BecameReachable(OTHER_MAC, 0.0)]


def test_declined_address_is_not_pinged() -> None:
    tracker = tracker_after(
        f"DHCPACK on {ADDRESS} to {MAC} via br0",
        f"DHCPDECLINE of {ADDRESS} from {MAC} via br0: abandoned",
        f"DHCPACK on {OTHER_ADDRESS} to {MAC} via br0",
    )
    assert tracker.addresses == (OTHER_ADDRESS,)
    assert tracker.addresses_of({MAC}) == [OTHER_ADDRESS]


def test_rejected_lease_of_another_network_is_not_pinged() -> None:
    foreign = IPv4Address("10.0.0.5")
    tracker = tracker_after(
        f"DHCPREQUEST for {foreign} from {MAC} via br0: wrong network.",
        f"DHCPNAK on {foreign} to {MAC} via br0",
        f"DHCPACK on {ADDRESS} to {MAC} via br0",
    )
    assert tracker.addresses == (ADDRESS,)


def test_client_without_an_address_becomes_unreachable() -> None:
    tracker = tracker_after(f"DHCPACK on {ADDRESS} to {MAC} via br0")
    tracker.add_ping_round([ADDRESS], [ADDRESS], 0.0)
    nak = parse_line(f"DHCPNAK on {ADDRESS} to {MAC} via br0", 0.0)
    assert nak is not None
    tracker.add_log_event(nak)
    events = [event for time in (1.0, 2.0, 3.0) for event in tracker.add_ping_round([], [], time)]
    assert events == [BecameUnreachable(MAC, 3.0)]
