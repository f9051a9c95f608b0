"""dhcpd.conf as rendered, checked by us and by the real dhcpd, and what people wrote kept."""

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dhcp_installer.dhcpd.checks import problems, resolve_host_name
from dhcp_installer.dhcpd.parser import parse
from dhcp_installer.dhcpd.renderer import (
    INSTALL_LEASE_SECONDS,
    LEASE_SECONDS,
    DhcpdRenderer,
    pool_ranges,
)
from dhcp_installer.dhcpd.server import SystemdDhcpd
from dhcp_installer.errors import ConfigurationError
from dhcp_installer.install.assignment import assign
from rack.layout_file import load
from tools.programs import find

RACK = load(Path("rack.toml"))
PATH = Path("/etc/dhcp/dhcpd.conf")
MACS = [f"b8:27:eb:00:00:{number:02x}" for number in range(1, 49)]
ALL_RASPS = assign(RACK, {stack: MACS[4 * stack - 4 : 4 * stack] for stack in range(1, 13)}).rasps
HOST_NAMES = {"printer": [IPv4Address("10.23.200.1")]}
RENDERER = DhcpdRenderer(RACK, PATH, resolve=lambda name: HOST_NAMES.get(name, []))
SUBNET = "subnet 10.23.0.0 netmask 255.255.0.0 {"
BY_HAND = """\
# The printer of the third floor: do not lose.
option domain-name "rack.example.org";
host printer { hardware ethernet 00:11:22:33:44:55; fixed-address printer; }  # by name
group { host Scanner { hardware ethernet 0:11:22:33:44:66; fixed-address 10.23.255.250; } }
"""


def test_every_rasp_gets_its_name_and_address() -> None:
    text = RENDERER.render(ALL_RASPS, "", lease_seconds=LEASE_SECONDS)
    assert (
        "host rasp-03-2 { hardware ethernet b8:27:eb:00:00:0a; fixed-address 10.23.3.2;"
        ' option host-name "rasp-03-2"; }' in text.splitlines()
    )
    assert text.count("\nhost ") == 48
    assert "default-lease-time 3600;" in text


def test_the_real_dhcpd_takes_what_is_rendered(tmp_path: Path) -> None:
    dhcpd = find("dhcpd")
    by_hand = BY_HAND.replace("printer; }", "10.23.200.1; }")
    for rasps, existing in ((ALL_RASPS, ""), ((), ""), (ALL_RASPS, by_hand)):
        text = RENDERER.render(rasps, existing, lease_seconds=LEASE_SECONDS)
        path = tmp_path / "dhcpd.conf"
        path.write_text(text)
        SystemdDhcpd(dhcpd=str(dhcpd.path), env=dhcpd.environment).check(path)


def test_what_people_wrote_is_kept_to_the_letter() -> None:
    before, after = BY_HAND, "\r\n# no newline at the end"
    first = RENDERER.render(ALL_RASPS[:3], before, lease_seconds=INSTALL_LEASE_SECONDS)
    assert first.startswith(before)
    second = RENDERER.render(ALL_RASPS, first + after, lease_seconds=LEASE_SECONDS)
    assert second.startswith(before)
    assert second.endswith(after)
    assert second.count("# >>> PiRack") == second.count("# <<< PiRack") == 1
    assert RENDERER.render(ALL_RASPS, second, lease_seconds=LEASE_SECONDS) == second


@given(
    st.lists(st.sampled_from(["# a\n", "\n", "option x 1;\n", "group { }\n", "  ", "# ü\r\n"])),
    st.lists(st.sampled_from(["# b\n", "\n", "option y 2;", "\t"])),
)
def test_text_around_the_block_survives_any_number_of_installs(
    before: list[str], after: list[str]
) -> None:
    head, tail = "".join(before), "".join(after)
    text = RENDERER.render((), head, lease_seconds=60)
    for rasps in (ALL_RASPS, ALL_RASPS[:1], ()):
        text = RENDERER.render(rasps, text, lease_seconds=60)
    assert text.startswith(head)
    text = RENDERER.render(ALL_RASPS, text + tail, lease_seconds=60)
    assert text.endswith("# <<< PiRack\n" + tail)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("host rasp-03-2 {", "host mine { }\nhost rasp-03-2 {"),
        ("default-lease-time 60;", "default-lease-time 600;"),
    ],
)  # fmt: skip
def test_a_block_that_somebody_changed_is_not_overwritten(old: str, new: str) -> None:
    text = RENDERER.render(ALL_RASPS, BY_HAND, lease_seconds=60)
    assert old in text
    with pytest.raises(ConfigurationError, match=r"line 5: somebody has changed PiRack's block"):
        RENDERER.render(ALL_RASPS, text.replace(old, new), lease_seconds=60)


@pytest.mark.parametrize("mark", ["# >>> PiRack 0123456789abcdef\n", "# <<< PiRack\n"])
def test_marks_that_do_not_pair_are_refused(mark: str) -> None:
    text = RENDERER.render(ALL_RASPS, BY_HAND, lease_seconds=60)
    with pytest.raises(ConfigurationError, match="make it one pair"):
        RENDERER.render(ALL_RASPS, text + mark, lease_seconds=60)


@pytest.mark.parametrize(
    ("by_hand", "why"),
    [
        (
            f"host mine {{ hardware ethernet {MACS[9].upper()}; fixed-address 10.23.99.1; }}",
            f"host.* the MAC {MACS[9]} is in /etc/dhcp/dhcpd.conf line 2, too",
        ),
        (
            "host mine { hardware ethernet 00:00:00:00:00:01; fixed-address 10.23.3.2; }",
            "the address 10.23.3.2 is in /etc/dhcp/dhcpd.conf line 2, too",
        ),
        (SUBNET + " }", "subnet 10.23.0.0/16 is declared in /etc/dhcp/dhcpd.conf line 2, too"),
    ],
)
def test_an_entry_by_hand_that_cannot_stand_beside_ours_is_named(by_hand: str, why: str) -> None:
    with pytest.raises(ConfigurationError, match=why.removeprefix("host.* ")):
        RENDERER.render(ALL_RASPS, f"\n{by_hand}\n", lease_seconds=60)


def test_lines_after_the_block_keep_their_numbers_in_what_is_said_of_them() -> None:
    text = RENDERER.render(ALL_RASPS, "", lease_seconds=60)
    number = text.count("\n") + 2
    with pytest.raises(ConfigurationError, match=f"dhcpd.conf line {number}: 1:2 is no MAC"):
        RENDERER.render(
            ALL_RASPS, f"{text}\nhost x {{ hardware ethernet 1:2; }}\n", lease_seconds=60
        )


INVALID_CONFIGS = {
    "": "the file says nothing",
    f"{SUBNET} }} host a {{ hardware ethernet b8:27:eb:1:2:3; }}"
    " host b { hardware ethernet B8:27:EB:01:02:03; }": "the MAC b8:27:eb:01:02:03 is in",
    f"{SUBNET} }} host a {{ fixed-address 10.23.1.1; }} host b {{ fixed-address 10.23.1.1; }}": (
        "the address 10.23.1.1 is in"
    ),
    f"{SUBNET} }} host a {{ hardware ethernet b8:27:eb:01:02; }}": (
        "b8:27:eb:01:02 is no MAC address of six bytes"
    ),
    f"{SUBNET} }} host a {{ fixed-address 10.24.1.1; }}": "10.24.1.1 is in no subnet",
    f"{SUBNET} range 10.23.1.1 10.23.1.9; }} host a {{ fixed-address 10.23.1.5; }}": (
        "10.23.1.5 is in the range of"
    ),
    f"{SUBNET} pool {{ range 10.23.1.9 10.23.1.1; }} }}": "the range runs backwards",
    f"{SUBNET} }} {SUBNET} }}": "subnet 10.23.0.0/16 is declared in",
    "subnet 10.24.0.0 netmask 255.255.0.0 { }": "no subnet has 10.23.0.1, the master's address",
    f"{SUBNET} }} host a {{ fixed-address nosuch.invalid; }}": "nobody knows the name",
}


@pytest.mark.parametrize("text", INVALID_CONFIGS)
def test_what_dhcpd_lets_pass_is_found(text: str, tmp_path: Path) -> None:
    path = tmp_path / "dhcpd.conf"
    path.write_text(text)
    dhcpd = find("dhcpd")
    SystemdDhcpd(dhcpd=str(dhcpd.path), env=dhcpd.environment).check(
        path
    )  # which sees nothing wrong
    found = problems(parse(text, path), RACK.network.master, resolve=lambda name: [])
    assert [INVALID_CONFIGS[text] in problem for problem in found] == [True]


def test_a_sound_file_has_no_problems(tmp_path: Path) -> None:
    text = f"{SUBNET} range 10.23.1.1 10.23.1.9; }} host a {{ fixed-address printer; }}"
    assert problems(parse(text, PATH), RACK.network.master, resolve=lambda n: HOST_NAMES[n]) == []


def test_a_name_is_looked_up_as_this_machine_sees_it() -> None:
    assert resolve_host_name("localhost") == [IPv4Address("127.0.0.1")]
    assert resolve_host_name("--help") == resolve_host_name("no such.invalid") == []


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("host a {\n hardware ethernet 1:2", "line 2: this statement has no end"),
        ("group {\n", "line 1: this statement has no end"),
        ("}\n", "line 1: a brace too many"),
        ('option x "abc;\n', "line 1: a string without an end"),
        ('\ninclude "/nowhere/x.conf";', "/nowhere/x.conf: .*No such file"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_by_line(text: str, why: str) -> None:
    with pytest.raises(ConfigurationError, match=why):
        RENDERER.render(ALL_RASPS, text, lease_seconds=60)


def test_an_entry_in_an_included_file_counts(tmp_path: Path) -> None:
    included = tmp_path / "hosts.conf"
    included.write_text(f"\nhost x {{ hardware ethernet {MACS[0]}; }}\n")
    with pytest.raises(ConfigurationError, match=f"{included} line 2, too"):
        RENDERER.render(ALL_RASPS, f'include "{included}";', lease_seconds=60)


def test_a_file_that_includes_itself_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "hosts.conf"
    path.write_text(f'include "{path}";')
    with pytest.raises(ConfigurationError, match="includes itself"):
        RENDERER.render(ALL_RASPS, path.read_text(), lease_seconds=60)


@given(st.text(alphabet='ab{};,"#\n \\'))
def test_no_file_is_too_strange(text: str) -> None:
    try:
        parse(text, PATH)
    except ConfigurationError as error:
        assert str(error).startswith(f"{PATH} line ")  # noqa: PT017 - it may go well, too


@given(
    prefix=st.integers(16, 26),
    stacks=st.integers(1, 12),
    fixed=st.sets(st.integers(1, 2**16 - 2), max_size=20),
)
def test_the_pool_has_two_addresses_a_slot_and_none_that_is_somebodys(
    prefix: int, stacks: int, fixed: set[int]
) -> None:
    subnet = IPv4Network((int(IPv4Address("10.23.0.0")), prefix))
    base = int(subnet.network_address)
    layout = replace(
        RACK,
        stacks=tuple(
            replace(
                stack,
                slots=tuple(replace(s, address=IPv4Address(base + 1 + s.id)) for s in stack.slots),
            )
            for stack in RACK.stacks[:stacks]
        ),
        network=replace(RACK.network, subnet=subnet, master=IPv4Address(base + 1)),
    )
    theirs = {IPv4Address(base + each) for each in fixed}
    try:
        ranges = pool_ranges(layout, theirs)
    except ConfigurationError as error:
        assert "widen network.subnet" in str(error)  # noqa: PT017 - it may go well, too
        assert subnet.num_addresses < 3 * len(layout.slots) + len(theirs) + 3
        return
    addresses = [
        IPv4Address(each) for first, last in ranges for each in range(int(first), int(last) + 1)
    ]
    assert len(addresses) == len(set(addresses)) == 2 * len(layout.slots)
    taken = {layout.network.master, *theirs, *(slot.address for slot in layout.slots)}
    assert taken.isdisjoint(addresses)
    assert set(addresses) <= set(subnet.hosts())
