"""What a line of dhcpd's log tells, whatever the clients say in it."""

import re
from ipaddress import IPv4Address
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dhcp_installer.dhcpd.log_events import DhcpLogEvent, DhcpMessageType, parse_line

MAC = "b8:27:eb:01:02:03"
ADDRESS = "192.168.23.5"
PREFIXES = [
    "",
    "Nov  3 14:33:40 master dhcpd[812]: ",
    "Nov 23 14:33:40 master dhcpd: ",
    "2026-11-23T14:33:40.123456+01:00 master dhcpd[812]: ",
]
LINES = {
    f"DHCPDISCOVER from {MAC} via br0": DhcpMessageType.DISCOVER,
    f"DHCPDISCOVER from {MAC} (raspberrypi) via br0": DhcpMessageType.DISCOVER,
    f"DHCPDISCOVER from {MAC} via br0: unknown client": DhcpMessageType.DISCOVER,
    f"DHCPDISCOVER from {MAC} via br0: network 192.168.23.0/24: no free leases": DhcpMessageType.DISCOVER,
    f"DHCPOFFER on {ADDRESS} to {MAC} (raspberrypi) via br0": DhcpMessageType.OFFER,
    f"DHCPREQUEST for {ADDRESS} (192.168.23.1) from {MAC} (raspberrypi) via br0": DhcpMessageType.REQUEST,
    f"DHCPREQUEST for {ADDRESS} from {MAC} via br0": DhcpMessageType.REQUEST,
    f"DHCPREQUEST for {ADDRESS} from {MAC} via br0: wrong network.": DhcpMessageType.REQUEST,
    f"DHCPREQUEST for {ADDRESS} from {MAC} via br0: lease {ADDRESS} unavailable.": DhcpMessageType.REQUEST,
    f"DHCPREQUEST for {ADDRESS} from {MAC} via br0: unknown lease {ADDRESS}.": DhcpMessageType.REQUEST,
    f"DHCPREQUEST for {ADDRESS} from {MAC} via br0: unknown client": DhcpMessageType.REQUEST,
    f"DHCPREQUEST for {ADDRESS} from {MAC} via br0: ignored (not authoritative).": DhcpMessageType.REQUEST,
    f"DHCPACK on {ADDRESS} to {MAC} (raspberrypi) via br0": DhcpMessageType.ACK,
    f"DHCPNAK on {ADDRESS} to {MAC} via br0": DhcpMessageType.NAK,
    f"DHCPDECLINE of {ADDRESS} from {MAC} via br0: abandoned": DhcpMessageType.DECLINE,
    f"DHCPRELEASE of {ADDRESS} from {MAC} (raspberrypi) via br0 (found)": DhcpMessageType.RELEASE,
    f"uid lease {ADDRESS} for client {MAC} is duplicate on 192.168.23.0/24": DhcpMessageType.DUPLICATE,
}
LINES_WITH_HOST_NAME = [line for line in LINES if "(raspberrypi)" in line]
SPOOFED_MAC = "de:ad:be:ef:00:01"


@pytest.mark.parametrize("prefix", PREFIXES)
@pytest.mark.parametrize("line", LINES)
def test_each_line_of_dhcpd_tells_who_spoke(prefix: str, line: str) -> None:
    kind = LINES[line]
    address = None if kind is DhcpMessageType.DISCOVER else IPv4Address(ADDRESS)
    interface = None if kind is DhcpMessageType.DUPLICATE else "br0"
    assert parse_line(f"{prefix}{line}\n", 12.5) == DhcpLogEvent(
        MAC, kind, address, interface, 12.5
    )


@pytest.mark.parametrize(
    "host",
    [
        "evil) via eth9 (x",
        f"x) via br0 DHCPREQUEST for 10.0.0.1 from {SPOOFED_MAC} (y",
        f"x) via br0: DHCPDISCOVER from {SPOOFED_MAC} via br0 (y",
        f"Nov 23 14:33:40 master dhcpd[1]: DHCPDISCOVER from {SPOOFED_MAC}",
        f" from {SPOOFED_MAC} ",
        "x" * 1000,
        "",
    ],
)
@pytest.mark.parametrize("line", LINES_WITH_HOST_NAME)
def test_a_hostile_host_name_changes_neither_the_mac_nor_the_interface(
    line: str, host: str
) -> None:
    seen = parse_line(line.replace("raspberrypi", host), 0.0)
    assert seen is not None
    assert (seen.mac, seen.interface) == (MAC, "br0")


@pytest.mark.parametrize("line", LINES_WITH_HOST_NAME)
def test_a_newline_in_a_host_name_makes_two_lines_that_tell_nothing_of_a_stranger(
    line: str,
) -> None:
    whole = line.replace("raspberrypi", f"x\nfrom {SPOOFED_MAC} via br0\n")
    assert all(parse_line(part, 0.0) is None for part in whole.split("\n"))
    assert parse_line(whole, 0.0) is None


@pytest.mark.parametrize(
    "line",
    [
        "",
        "Server starting service.",
        f"Wrote 3 leases for {MAC}",
        f"DHCPINFORM from {ADDRESS} via br0",
        f"bind update on {ADDRESS} from {MAC} rejected",
        f"Nov 23 14:33:40 master sshd[9]: DHCPDISCOVER from {MAC} via br0",
        f"Nov 23 14:33:40 master dhcpd[9]: sent DHCPDISCOVER from {MAC} via br0",
        f"DHCPACK on 999.1.1.1 to {MAC} via br0",
        "DHCPDISCOVER from b8:27:eb:01:02 via br0",
        f"DHCPDISCOVER from {MAC}:04 via br0",
        f"DHCPDISCOVER from {MAC}",
    ],
)
def test_any_other_line_tells_nothing(line: str) -> None:
    assert parse_line(line, 0.0) is None


HOST_NAMES = st.one_of(
    st.text(),
    st.lists(
        st.sampled_from(
            [
                ") via eth9",
                " (",
                ")",
                ": ",
                SPOOFED_MAC,
                "from ",
                "to ",
                "DHCPACK on ",
                "dhcpd[1]: ",
                "\n",
            ]
        )
    ).map("".join),
)


@given(
    line=st.sampled_from(LINES_WITH_HOST_NAME), prefix=st.sampled_from(PREFIXES), host=HOST_NAMES
)
def test_whatever_a_client_says_the_mac_is_the_senders(line: str, prefix: str, host: str) -> None:
    seen = parse_line(prefix + line.replace("raspberrypi", host), 0.0)
    assert seen is None or (seen.mac, seen.interface) == (MAC, "br0")
    assert seen is not None or "\n" in host


@given(st.text())
def test_no_text_is_too_strange(line: str) -> None:
    parse_line(line, 0.0)


# The sender's place, said in another way than the parser does: after the first ` from `, ` to `
# or ` client ` of the message.
_MAC_POSITION = re.compile(
    r"(?:.*? dhcpd(?:\[[0-9]+\])?: )?(?:DHCP|uid).*?(?: from | to | client )(\S{17})"
)
_FRAGMENTS = [
    SPOOFED_MAC, " from ", " to ", " via ", "(", ")", ": ", "DHCPACK on ", "DHCPREQUEST for ", "br0", " ",
    ADDRESS, "dhcpd[1]: ", "\x00", "é", "٣", "\u2028", "\n", "\r",
]  # fmt: skip


def mutated(random: Random, line: str) -> str:
    for _ in range(random.randint(1, 4)):
        i, j = sorted(random.randint(0, len(line)) for _ in range(2))
        match random.randrange(5):
            case 0:  # lose a piece
                line = line[:i] + line[min(j, i + 8) :]
            case 1:  # say a piece twice
                line = line[:j] + line[i:]
            case 2:  # end early
                line = line[:j]
            case 3:  # another character
                line = line[:i] + chr(random.randrange(1, 0x250)) + line[i + 1 :]
            case _:  # a scrap of another line
                line = line[:i] + random.choice(_FRAGMENTS) + line[i:]
    return line


def test_a_hundred_thousand_mutated_lines_give_no_mac_but_the_one_in_the_senders_place() -> None:
    random = Random(2016)
    lines = [prefix + line for prefix in PREFIXES for line in LINES]
    told = 0
    for _ in range(100_000):
        line = mutated(random, random.choice(lines))
        seen = parse_line(line, 0.0)
        if seen is not None:
            told += 1
            place = _MAC_POSITION.match(line)
            assert place is not None, line
            assert place[1] == seen.mac, line
    assert told > 1000
