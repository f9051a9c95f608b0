"""Parsing of dhcpd's log, with hostile host names."""

import re
from ipaddress import IPv4Address
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dhcp_installer.dhcpd.log_events import (
    DhcpLogEvent,
    DhcpMessageType,
    is_readable,
    is_server_start,
    parse_line,
)

MAC = "b8:27:eb:01:02:03"
SERVER = "192.168.23.1"
ADDRESS = "192.168.23.5"
PREFIXES = [
    "",  # dhcpd -d, journalctl --output=cat
    "Nov  3 14:33:40 master dhcpd[812]: ",  # RFC 3164, journalctl
    "Nov 23 14:33:40 master dhcpd: ",
    "Nov 23 14:33:40 dhcpd[812]: ",  # without a host name
    "Nov 23 14:33:40 fe80::1 dhcpd[812]: ",
    "<30>Nov 23 14:33:40 master dhcpd[812]: ",
    "<190>Jan  3 12:36:27 dhcpd: ",
    "<30>dhcpd[812]: ",
    "Nov 23 2026 14:33:40 master dhcpd[812]: ",
    "2026 Nov 23 14:33:40 master dhcpd[812]: ",
    "Nov 23 14:33:40.123 master dhcpd[812]: ",
    "Nov 23 14:33:40.123456 master dhcpd[812]: ",  # journalctl --output=short-precise
    "2026-11-23 14:33:40 master dhcpd[812]: ",
    "2026-11-23 14:33:40,123 master dhcpd[812]: ",
    "2026/11/23 14:33:40 master dhcpd[812]: ",
    "2026-11-23T14:33:40Z master dhcpd[812]: ",
    "2026-11-23T14:33:40.123456+01:00 master dhcpd[812]: ",  # rsyslog
    "2026-11-23T14:33:40+0100 master dhcpd[812]: ",  # journalctl --output=short-iso
    "Mon 2026-11-23 14:33:40 CET master dhcpd[812]: ",  # journalctl --output=short-full
    "[   12.345678] master dhcpd[812]: ",  # journalctl --output=short-monotonic
    "1795700020.123456 master dhcpd[812]: ",  # journalctl --output=short-unix
    "Nov 23 14:33:40 master daemon.info dhcpd[812]: ",  # BusyBox
    "Nov 23 14:33:40 <daemon.info> master dhcpd[812]: ",  # FreeBSD
    "Mon Nov 23 14:33:40 2026 daemon.info dhcpd[812]: ",  # OpenWrt
    "<30>1 2026-11-23T14:33:40.123456+01:00 master dhcpd 812 - - ",  # RFC 5424
    "<30>1 2026-11-23T14:33:40.123456+01:00 master dhcpd 812 - -  ",  # rsyslog
    "<30>1 2026-11-23T14:33:40Z - dhcpd - - - \ufeff",
    '<30>1 2026-11-23T14:33:40Z master dhcpd 812 ID1 [meta sequenceId="1" x="\\]"][a@1 b="c"] ',
    "2026-11-23T14:33:40+01:00 master dhcpd 812 - - ",
    "2026-11-23T14:33:40.123456789Z ",  # docker logs --timestamps
    "Nov 23 14:33:40 ",  # dhcpd -d | ts
]
LINES_BY_TYPE = {
    DhcpMessageType.DISCOVER: [
        f"DHCPDISCOVER from {MAC} via br0",
        f"DHCPDISCOVER from {MAC} (raspberrypi) via br0",
        f"DHCPDISCOVER from {MAC} via br0: unknown client",
        f"DHCPDISCOVER from {MAC} via br0: network 192.168.23.0/24: no free leases",
    ],
    DhcpMessageType.OFFER: [
        f"DHCPOFFER on {ADDRESS} to {MAC} (raspberrypi) via br0",
    ],
    DhcpMessageType.REQUEST: [
        f"DHCPREQUEST for {ADDRESS} ({SERVER}) from {MAC} (raspberrypi) via br0",
        f"DHCPREQUEST for {ADDRESS} from {MAC} via br0",
        f"DHCPREQUEST for {ADDRESS} from {MAC} via br0: wrong network.",
        f"DHCPREQUEST for {ADDRESS} from {MAC} via br0: lease {ADDRESS} unavailable.",
        f"DHCPREQUEST for {ADDRESS} from {MAC} via br0: unknown lease {ADDRESS}.",
        f"DHCPREQUEST for {ADDRESS} from {MAC} via br0: unknown client",
        f"DHCPREQUEST for {ADDRESS} from {MAC} via br0: ignored (not authoritative).",
    ],
    DhcpMessageType.ACK: [
        f"DHCPACK on {ADDRESS} to {MAC} (raspberrypi) via br0",
    ],
    DhcpMessageType.NAK: [
        f"DHCPNAK on {ADDRESS} to {MAC} via br0",
    ],
    DhcpMessageType.DECLINE: [
        f"DHCPDECLINE of {ADDRESS} from {MAC} via br0: abandoned",
    ],
    DhcpMessageType.RELEASE: [
        f"DHCPRELEASE of {ADDRESS} from {MAC} (raspberrypi) via br0 (found)",
    ],
    DhcpMessageType.DUPLICATE: [
        f"uid lease {ADDRESS} for client {MAC} is duplicate on 192.168.23.0/24",
        f"uid lease {ADDRESS} for client {MAC} is duplicate on rack-net",
    ],
}
LINES = {line: message_type for message_type, lines in LINES_BY_TYPE.items() for line in lines}
LINES_WITH_HOST_NAME = [line for line in LINES if "(raspberrypi)" in line]
SPOOFED_MAC = "de:ad:be:ef:00:01"


@pytest.mark.parametrize("prefix", PREFIXES)
@pytest.mark.parametrize("line", LINES)
def test_each_log_line_is_parsed(prefix: str, line: str) -> None:
    message_type = LINES[line]
    address = None if message_type is DhcpMessageType.DISCOVER else IPv4Address(ADDRESS)
    interface = None if message_type is DhcpMessageType.DUPLICATE else "br0"
    server = IPv4Address(SERVER) if f"({SERVER})" in line else None
    assert parse_line(f"{prefix}{line}\n", 12.5) == DhcpLogEvent(
        MAC, message_type, address, interface, 12.5, server=server
    )


@pytest.mark.parametrize("prefix", PREFIXES)
def test_start_of_the_server_is_recognized(prefix: str) -> None:
    assert is_server_start(f"{prefix}Server starting service.\r\n")
    assert not is_server_start(f"{prefix}Internet Systems Consortium DHCP Server 4.4.3-P1")


@pytest.mark.parametrize("prefix", [prefix for prefix in PREFIXES if "dhcpd" in prefix])
def test_repeated_message_is_parsed_and_marked(prefix: str) -> None:
    line = f"{prefix}message repeated 2 times: [ DHCPDISCOVER from {MAC} via br0]"
    assert parse_line(line, 1.0) == DhcpLogEvent(
        MAC, DhcpMessageType.DISCOVER, None, "br0", 1.0, is_repeated=True
    )
    assert not is_server_start(f"{prefix}message repeated 2 times: [ Server starting service.]")


FOREIGN_HEADERS = [
    "Nov 23 14:33:40 master sshd[9]: ",
    "Nov 23 14:33:40 master sshd[9]: Invalid user dhcpd: ",
    "Nov 23 14:33:40 master sshd[9]: Invalid user dhcpd[1]: ",
    "Nov 23 14:33:40 sshd: dhcpd: ",
    "Nov 23 14:33:40 master sshd: dhcpd: ",
    "Nov 23 14:33:40 master [sshd] dhcpd: ",
    "Nov 23 14:33:40 [sshd] user dhcpd: ",
    "Nov 23 14:33:40 master sh[812]: ",
    "Nov 23 14:33:40 master x-dhcpd[812]: ",
    "Nov 23 14:33:40 master dhcpd[812] ",
    "Nov 23 14:33:40 three words here dhcpd[812]: ",
    "master dhcpd[812]: ",
    "<30>1 2026-11-23T14:33:40Z master sshd 812 - - ",
    "<30>1 2026-11-23T14:33:40Z master sshd 812 - - dhcpd: ",
    "<30>1 2026-11-23T14:33:40Z master sshd 812 - - dhcpd 1 - - ",
    "<30>1 2026-11-23T14:33:40Z master sshd 812 - - Nov 23 14:33:40 master dhcpd[1]: ",
    '<30>1 2026-11-23T14:33:40Z master sshd 812 - [a b="] dhcpd[1]: "] ',
    '{"message": "',
    "dhcpd-1  | ",
]


@pytest.mark.parametrize("header", FOREIGN_HEADERS)
def test_line_of_another_program_or_format_is_not_read(header: str) -> None:
    for message in (*LINES, "Server starting service."):
        line = f"{header}{message}"
        assert parse_line(line, 0.0) is None
        assert not is_server_start(line)
        assert not is_readable(line)


def test_lines_of_dhcpd_without_an_event_are_readable() -> None:
    assert is_readable("Nov 23 14:33:40 master dhcpd[812]: Wrote 3 leases to leases file.")
    assert is_readable("Server starting service.")
    assert not is_readable("Wrote 3 leases to leases file.")  # of any program


@pytest.mark.parametrize(
    "host_name",
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
def test_hostile_host_name_changes_neither_mac_nor_interface(line: str, host_name: str) -> None:
    event = parse_line(line.replace("raspberrypi", host_name), 0.0)
    assert event is not None
    assert (event.mac, event.interface) == (MAC, "br0")


@pytest.mark.parametrize("line", LINES_WITH_HOST_NAME)
def test_newline_in_a_host_name_produces_no_event(
    line: str,
) -> None:
    text = line.replace("raspberrypi", f"x\nfrom {SPOOFED_MAC} via br0\n")
    assert all(parse_line(part, 0.0) is None for part in text.split("\n"))
    assert parse_line(text, 0.0) is None


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
def test_lines_without_an_event_are_ignored(line: str) -> None:
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
    line=st.sampled_from(LINES_WITH_HOST_NAME),
    prefix=st.sampled_from(PREFIXES),
    host_name=HOST_NAMES,
)
def test_no_host_name_changes_mac_or_interface(line: str, prefix: str, host_name: str) -> None:
    event = parse_line(prefix + line.replace("raspberrypi", host_name), 0.0)
    assert event is None or (event.mac, event.interface) == (MAC, "br0")
    assert event is not None or "\n" in host_name


@given(st.text())
def test_any_text_is_parsed_without_an_exception(line: str) -> None:
    parse_line(line, 0.0)


# Unlike the parser, this pattern expects the MAC after the first ` from `, ` to ` or ` client ` of
# the first message.
_MAC_POSITION = re.compile(r".*?(?:DHCP[A-Z]{3}|uid lease).*?(?: from | to | client )(\S{17})")
_FRAGMENTS = [
    SPOOFED_MAC, " from ", " to ", " via ", "(", ")", ": ", "DHCPACK on ", "DHCPREQUEST for ",
    "br0", " ", ADDRESS, "dhcpd[1]: ", "\x00", "é", "٣", "\u2028", "\n", "\r",
]  # fmt: skip


def mutated(random: Random, line: str) -> str:
    for _ in range(random.randint(1, 4)):
        i, j = sorted(random.randint(0, len(line)) for _ in range(2))
        match random.randrange(5):
            case 0:  # delete
                line = line[:i] + line[min(j, i + 8) :]
            case 1:  # duplicate
                line = line[:j] + line[i:]
            case 2:  # truncate
                line = line[:j]
            case 3:  # replace a character
                line = line[:i] + chr(random.randrange(1, 0x250)) + line[i + 1 :]
            case _:  # insert
                line = line[:i] + random.choice(_FRAGMENTS) + line[i:]
    return line


def test_mutated_lines_produce_only_the_mac_at_the_sender_position() -> None:
    random = Random(2016)
    lines = [prefix + line for prefix in PREFIXES for line in LINES]
    parsed_count = 0
    for _ in range(100_000):
        line = mutated(random, random.choice(lines))
        event = parse_line(line, 0.0)
        if event is not None:
            parsed_count += 1
            match = _MAC_POSITION.match(line)
            assert match is not None, line
            assert match[1] == event.mac, line
    assert parsed_count > 1000
