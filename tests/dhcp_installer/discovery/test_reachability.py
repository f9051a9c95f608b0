"""Who has which address, and who answers pings."""

from ipaddress import IPv4Address

from dhcp_installer.dhcpd.log_events import parse_line
from dhcp_installer.discovery.reachability import ReachabilityTracker
from dhcp_installer.discovery.strategy import BecameReachable, BecameUnreachable

MAC, OTHER_MAC = "b8:27:eb:00:00:01", "b8:27:eb:00:00:02"
ADDRESS, OTHER_ADDRESS = IPv4Address("10.23.255.1"), IPv4Address("10.23.1.1")


def tracker_after(*lines: str) -> ReachabilityTracker:
    presence = ReachabilityTracker(offline_after=1.0)
    for line in lines:
        sighting = parse_line(line, 0.0)
        assert sighting is not None, line
        presence.add_log_event(sighting)
    return presence


def test_who_got_an_address_is_asked_there() -> None:
    presence = tracker_after(f"DHCPACK on {ADDRESS} to {MAC} (pi) via br0")
    assert presence.addresses == (ADDRESS,)
    assert presence.add_ping_round([ADDRESS], [ADDRESS], 1.0) == [BecameReachable(MAC, 1.0)]
    assert presence.add_ping_round([ADDRESS], [ADDRESS], 1.2) == []


def test_an_offer_is_an_address_for_who_boots_from_the_network() -> None:
    assert tracker_after(f"DHCPOFFER on {ADDRESS} to {MAC} via br0").addresses == (ADDRESS,)


def test_silence_takes_three_missed_pings_and_a_second() -> None:
    presence = tracker_after(f"DHCPACK on {ADDRESS} to {MAC} via br0")
    presence.add_ping_round([ADDRESS], [ADDRESS], 0.0)
    assert [presence.add_ping_round([ADDRESS], [], at) for at in (0.3, 0.6, 0.9)] == [[], [], []]
    assert presence.add_ping_round([ADDRESS], [], 1.2) == [BecameUnreachable(MAC, 1.2)]
    assert presence.add_ping_round([ADDRESS], [], 1.5) == []
    assert presence.add_ping_round([ADDRESS], [ADDRESS], 1.8) == [BecameReachable(MAC, 1.8)]


def test_pings_that_were_lost_now_and_then_are_no_silence() -> None:
    presence = tracker_after(f"DHCPACK on {ADDRESS} to {MAC} via br0")
    presence.add_ping_round([ADDRESS], [ADDRESS], 0.0)
    for second in range(1, 20, 3):
        assert presence.add_ping_round([ADDRESS], [], second) == []
        assert presence.add_ping_round([ADDRESS], [], second + 1) == []
        assert presence.add_ping_round([ADDRESS], [ADDRESS], second + 2) == []


def test_one_address_of_several_is_enough_to_answer() -> None:
    presence = tracker_after(
        f"DHCPACK on {ADDRESS} to {MAC} via br0", f"DHCPACK on {OTHER_ADDRESS} to {MAC} via br0"
    )
    presence.add_ping_round([ADDRESS, OTHER_ADDRESS], [ADDRESS], 0.0)
    for at in (1.0, 2.0, 3.0, 4.0):
        assert presence.add_ping_round([ADDRESS, OTHER_ADDRESS], [OTHER_ADDRESS], at) == []


def test_an_address_belongs_to_whoever_got_it_last() -> None:
    presence = tracker_after(
        f"DHCPACK on {ADDRESS} to {MAC} via br0", f"DHCPACK on {ADDRESS} to {OTHER_MAC} via br0"
    )
    assert presence.add_ping_round([ADDRESS], [ADDRESS], 0.0) == [BecameReachable(OTHER_MAC, 0.0)]


def test_a_pi_that_declines_an_address_is_not_looked_for_there() -> None:
    presence = tracker_after(
        f"DHCPACK on {ADDRESS} to {MAC} via br0",
        f"DHCPDECLINE of {ADDRESS} from {MAC} via br0: abandoned",
        f"DHCPACK on {OTHER_ADDRESS} to {MAC} via br0",
    )
    assert presence.addresses == (OTHER_ADDRESS,)
    assert presence.addresses_of({MAC}) == [OTHER_ADDRESS]


def test_a_foreign_lease_that_was_refused_is_no_address() -> None:
    foreign = IPv4Address("10.0.0.5")
    presence = tracker_after(
        f"DHCPREQUEST for {foreign} from {MAC} via br0: wrong network.",
        f"DHCPNAK on {foreign} to {MAC} via br0",
        f"DHCPACK on {ADDRESS} to {MAC} via br0",
    )
    assert presence.addresses == (ADDRESS,)


def test_who_lost_the_only_address_falls_silent() -> None:
    presence = tracker_after(f"DHCPACK on {ADDRESS} to {MAC} via br0")
    presence.add_ping_round([ADDRESS], [ADDRESS], 0.0)
    nak = parse_line(f"DHCPNAK on {ADDRESS} to {MAC} via br0", 0.0)
    assert nak is not None
    presence.add_log_event(nak)
    happened = [each for at in (1.0, 2.0, 3.0) for each in presence.add_ping_round([], [], at)]
    assert happened == [BecameUnreachable(MAC, 3.0)]
