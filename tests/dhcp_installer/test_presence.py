"""Who has which address, and who answers pings."""

from ipaddress import IPv4Address

from dhcp_installer.discovery import Answers, FellSilent
from dhcp_installer.presence import Presence
from dhcp_installer.sightings import parse

ONE, OTHER = "b8:27:eb:00:00:01", "b8:27:eb:00:00:02"
HERE, THERE = IPv4Address("10.23.255.1"), IPv4Address("10.23.1.1")


def heard(*lines: str) -> Presence:
    presence = Presence(silent_after=1.0)
    for line in lines:
        sighting = parse(line, 0.0)
        assert sighting is not None, line
        presence.note(sighting)
    return presence


def test_who_got_an_address_is_asked_there() -> None:
    presence = heard(f"DHCPACK on {HERE} to {ONE} (pi) via br0")
    assert presence.addresses == (HERE,)
    assert presence.pinged([HERE], [HERE], 1.0) == [Answers(ONE, 1.0)]
    assert presence.pinged([HERE], [HERE], 1.2) == []


def test_an_offer_is_an_address_for_who_boots_from_the_network() -> None:
    assert heard(f"DHCPOFFER on {HERE} to {ONE} via br0").addresses == (HERE,)


def test_silence_takes_three_missed_pings_and_a_second() -> None:
    presence = heard(f"DHCPACK on {HERE} to {ONE} via br0")
    presence.pinged([HERE], [HERE], 0.0)
    assert [presence.pinged([HERE], [], at) for at in (0.3, 0.6, 0.9)] == [[], [], []]
    assert presence.pinged([HERE], [], 1.2) == [FellSilent(ONE, 1.2)]
    assert presence.pinged([HERE], [], 1.5) == []
    assert presence.pinged([HERE], [HERE], 1.8) == [Answers(ONE, 1.8)]


def test_pings_that_were_lost_now_and_then_are_no_silence() -> None:
    presence = heard(f"DHCPACK on {HERE} to {ONE} via br0")
    presence.pinged([HERE], [HERE], 0.0)
    for second in range(1, 20, 3):
        assert presence.pinged([HERE], [], second) == []
        assert presence.pinged([HERE], [], second + 1) == []
        assert presence.pinged([HERE], [HERE], second + 2) == []


def test_one_address_of_several_is_enough_to_answer() -> None:
    presence = heard(f"DHCPACK on {HERE} to {ONE} via br0", f"DHCPACK on {THERE} to {ONE} via br0")
    presence.pinged([HERE, THERE], [HERE], 0.0)
    for at in (1.0, 2.0, 3.0, 4.0):
        assert presence.pinged([HERE, THERE], [THERE], at) == []


def test_an_address_belongs_to_whoever_got_it_last() -> None:
    presence = heard(f"DHCPACK on {HERE} to {ONE} via br0", f"DHCPACK on {HERE} to {OTHER} via br0")
    assert presence.pinged([HERE], [HERE], 0.0) == [Answers(OTHER, 0.0)]


def test_a_pi_that_declines_an_address_is_not_looked_for_there() -> None:
    presence = heard(
        f"DHCPACK on {HERE} to {ONE} via br0",
        f"DHCPDECLINE of {HERE} from {ONE} via br0: abandoned",
        f"DHCPACK on {THERE} to {ONE} via br0",
    )
    assert presence.addresses == (THERE,)
    assert presence.addresses_of({ONE}) == [THERE]


def test_a_foreign_lease_that_was_refused_is_no_address() -> None:
    foreign = IPv4Address("10.0.0.5")
    presence = heard(
        f"DHCPREQUEST for {foreign} from {ONE} via br0: wrong network.",
        f"DHCPNAK on {foreign} to {ONE} via br0",
        f"DHCPACK on {HERE} to {ONE} via br0",
    )
    assert presence.addresses == (HERE,)


def test_who_lost_the_only_address_falls_silent() -> None:
    presence = heard(f"DHCPACK on {HERE} to {ONE} via br0")
    presence.pinged([HERE], [HERE], 0.0)
    nak = parse(f"DHCPNAK on {HERE} to {ONE} via br0", 0.0)
    assert nak is not None
    presence.note(nak)
    happened = [each for at in (1.0, 2.0, 3.0) for each in presence.pinged([], [], at)]
    assert happened == [FellSilent(ONE, 3.0)]
