"""Rendering and checks of dhcpd.conf, with the real dhcpd."""

from collections.abc import Callable
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dhcp_installer import config_text
from dhcp_installer.dhcpd.checks import problems, resolve_host_name
from dhcp_installer.dhcpd.config_file import DhcpConfigFile
from dhcp_installer.dhcpd.parser import parse, read_file
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
UNMANAGED = """\
# The printer on the third floor.
option domain-name "rack.example.org";
host printer { hardware ethernet 00:11:22:33:44:55; fixed-address printer; }  # by name
group { host Scanner { hardware ethernet 0:11:22:33:44:66; fixed-address 10.23.255.250; } }
"""


def test_every_rasp_has_a_host_entry() -> None:
    text = RENDERER.render(ALL_RASPS, "", lease_seconds=LEASE_SECONDS)
    assert (
        "host rasp-03-2 { hardware ethernet b8:27:eb:00:00:0a; fixed-address 10.23.3.2;"
        ' option host-name "rasp-03-2"; }' in text.splitlines()
    )
    assert text.count("\nhost ") == 48
    assert "default-lease-time 3600;" in text


@pytest.mark.process
def test_real_dhcpd_accepts_the_rendered_file(tmp_path: Path) -> None:
    dhcpd = find("dhcpd")
    unmanaged = UNMANAGED.replace("printer; }", "10.23.200.1; }")
    for rasps, existing in ((ALL_RASPS, ""), ((), ""), (ALL_RASPS, unmanaged)):
        text = RENDERER.render(rasps, existing, lease_seconds=LEASE_SECONDS)
        path = tmp_path / "dhcpd.conf"
        path.write_text(text)
        SystemdDhcpd(dhcpd=str(dhcpd.path), env=dhcpd.environment).check(path)


def test_unmanaged_part_is_preserved_exactly() -> None:
    before, after = UNMANAGED, "\r\n# no newline at the end"
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
def test_unmanaged_part_is_preserved_by_repeated_rendering(
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
def test_edited_managed_block_is_rejected(old: str, new: str) -> None:
    text = RENDERER.render(ALL_RASPS, UNMANAGED, lease_seconds=60)
    assert old in text
    with pytest.raises(ConfigurationError, match="line 5: PiRack's block was edited"):
        RENDERER.render(ALL_RASPS, text.replace(old, new), lease_seconds=60)


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("\n", "\r\n"),
        lambda text: "".join(f"  {line}" for line in text.splitlines(keepends=True)),
        lambda text: text.replace("  default-lease-time", "\tdefault-lease-time"),
        lambda text: text.replace("  authoritative;", "authoritative;  "),
        lambda text: text.replace("  authoritative;\n", "\n  authoritative;\n"),
    ],
    ids=["CRLF", "indented", "tab", "trailing spaces", "empty line"],
)
def test_changed_white_space_in_the_managed_block_is_named(change: Callable[[str], str]) -> None:
    text = RENDERER.render(ALL_RASPS, UNMANAGED, lease_seconds=60)
    with pytest.raises(ConfigurationError) as error:
        RENDERER.render(ALL_RASPS, change(text), lease_seconds=60)
    assert str(error.value) == (
        "/etc/dhcp/dhcpd.conf line 5: PiRack's block was changed (line ends / indentation): remove"
        " the block with its markers, and PiRack writes it again"
    )


def test_edited_block_with_other_line_ends_is_rejected_as_edited() -> None:
    text = RENDERER.render(ALL_RASPS, UNMANAGED, lease_seconds=60)
    edited = text.replace("default-lease-time 60;", "default-lease-time 600;")
    with pytest.raises(ConfigurationError, match="line 5: PiRack's block was edited"):
        RENDERER.render(ALL_RASPS, edited.replace("\n", "\r\n"), lease_seconds=60)


@pytest.mark.parametrize("marker", ["# >>> PiRack", "# <<< PiRack"])
def test_white_space_at_a_marker_is_accepted(marker: str) -> None:
    text = RENDERER.render(ALL_RASPS, UNMANAGED, lease_seconds=60)
    line = next(line for line in text.splitlines() if line.startswith(marker))
    for changed_line in (f"{line} \t", f"{line}\r", f"  {line}"):
        changed = text.replace(line, changed_line)
        assert RENDERER.render(ALL_RASPS, changed, lease_seconds=60) == text


def test_missing_newline_after_the_managed_block_is_accepted() -> None:
    text = RENDERER.render(ALL_RASPS, UNMANAGED, lease_seconds=60)
    assert RENDERER.render(ALL_RASPS, text.rstrip("\n"), lease_seconds=60) == text


@pytest.mark.process
@pytest.mark.parametrize(
    "content",
    [
        b"# Ger\xe4te im B\xfcro\n",
        b'option domain-name "B\xfcro";\r\n',
        "# Geräte im Büro\r\n".encode(),
        b"# a null character: \0\n",
        b"# the last line has no end: \xff",
    ],
    ids=["Latin-1", "CRLF", "UTF-8", "null", "no newline"],
)
def test_each_unmanaged_byte_is_preserved_and_accepted_by_dhcpd(
    content: bytes, tmp_path: Path
) -> None:
    dhcpd = find("dhcpd")
    included = tmp_path / "included.conf"
    included.write_bytes(b"# Ger\xe4te\r\n" + content)
    conf = tmp_path / "dhcpd.conf"
    conf.write_bytes(f'include "{included}";\r\n'.encode() + content)
    previous = conf.read_bytes()
    server = SystemdDhcpd(dhcpd=str(dhcpd.path), env=dhcpd.environment)
    config_file = DhcpConfigFile(conf, DhcpdRenderer(RACK, conf, resolve=lambda name: []), server)
    text = config_file.render(ALL_RASPS)
    config_file.check(text)
    assert config_text.encode(text).startswith(previous)
    config_file.diff(config_text.decode(previous), text).encode()
    assert config_text.encode(text.partition("# >>> PiRack")[0]).rstrip(b"\n") == previous.rstrip(
        b"\n"
    )


def test_invalid_bytes_are_replaced_in_an_error_message(tmp_path: Path) -> None:
    conf = tmp_path / "dhcpd.conf"
    conf.write_bytes(f"{SUBNET} }}\n".encode() + b"host x { hardware ethernet B\xfcro; }\n")
    with pytest.raises(ConfigurationError, match="line 2: b\ufffdro is not a MAC address"):
        RENDERER.render((), read_file(conf), lease_seconds=60)


def test_byte_order_mark_is_rejected(tmp_path: Path) -> None:
    included = tmp_path / "hosts.conf"
    included.write_bytes(b"\xef\xbb\xbf# hosts\n")
    with pytest.raises(
        ConfigurationError, match=f"{included} line 1: dhcpd rejects the byte order"
    ):
        RENDERER.render((), f'include "{included}";', lease_seconds=60)


@pytest.mark.parametrize("marker", ["# >>> PiRack 0123456789abcdef\n", "# <<< PiRack\n"])
def test_unpaired_markers_are_rejected(marker: str) -> None:
    text = RENDERER.render(ALL_RASPS, UNMANAGED, lease_seconds=60)
    with pytest.raises(ConfigurationError, match="leave one pair"):
        RENDERER.render(ALL_RASPS, text + marker, lease_seconds=60)


@pytest.mark.parametrize(
    ("unmanaged", "error"),
    [
        (
            f"host mine {{ hardware ethernet {MACS[9].upper()}; fixed-address 10.23.99.1; }}",
            f"the MAC {MACS[9]} is already used in /etc/dhcp/dhcpd.conf line 2",
        ),
        (
            "host mine { hardware ethernet 00:00:00:00:00:01; fixed-address 10.23.3.2; }",
            "the address 10.23.3.2 is already used in /etc/dhcp/dhcpd.conf line 2",
        ),
        (SUBNET + " }", "subnet 10.23.0.0/16 overlaps 10.23.0.0/16 of /etc/dhcp/dhcpd.conf line 2"),
    ],
)
def test_conflicting_unmanaged_entry_is_rejected(unmanaged: str, error: str) -> None:
    with pytest.raises(ConfigurationError, match=error):
        RENDERER.render(ALL_RASPS, f"\n{unmanaged}\n", lease_seconds=60)


def test_errors_after_the_managed_block_have_the_correct_line_number() -> None:
    text = RENDERER.render(ALL_RASPS, "", lease_seconds=60)
    number = text.count("\n") + 2
    with pytest.raises(ConfigurationError, match=f"dhcpd.conf line {number}: 1:2 is not a MAC"):
        RENDERER.render(
            ALL_RASPS, f"{text}\nhost x {{ hardware ethernet 1:2; }}\n", lease_seconds=60
        )


OTHER_SUBNETS = """
subnet 192.168.7.0 netmask 255.255.255.0 { range 192.168.7.100 192.168.7.150; }
subnet 192.168.8.0 netmask 255.255.255.0 { range 192.168.8.100 192.168.8.150; }
"""
ROAMING_LAPTOP = """
host lap-a { hardware ethernet MAC; fixed-address 192.168.7.5; }
host lap-b { hardware ethernet MAC; fixed-address 192.168.8.5; }
host lap-c { hardware ethernet MAC; }
"""


@pytest.mark.process
def test_mac_with_an_entry_for_each_subnet_is_accepted(tmp_path: Path) -> None:
    unmanaged = OTHER_SUBNETS + ROAMING_LAPTOP.replace("MAC", "00:11:22:33:44:55")
    text = RENDERER.render(ALL_RASPS, unmanaged, lease_seconds=60)
    path = tmp_path / "dhcpd.conf"
    path.write_text(text)
    dhcpd = find("dhcpd")
    SystemdDhcpd(dhcpd=str(dhcpd.path), env=dhcpd.environment).check(path)


def test_rasp_with_an_entry_for_another_subnet_is_rejected() -> None:
    unmanaged = OTHER_SUBNETS + ROAMING_LAPTOP.replace("MAC", MACS[9])
    RENDERER.render(ALL_RASPS[:9], unmanaged, lease_seconds=60)
    with pytest.raises(ConfigurationError) as error:
        RENDERER.render(ALL_RASPS, unmanaged, lease_seconds=60)
    problem = f"the MAC {MACS[9]} is already used in /etc/dhcp/dhcpd.conf line 5: remove one"
    assert str(error.value).count(problem) == 3  # two more entries in the file, and the rasp's


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("fixed-address 192.168.7.5;", "fixed-address 192.168.7.6;"),
        ("fixed-address 192.168.7.5;", "fixed-address 192.168.8.6, 192.168.7.6;"),
        ("", ""),
    ],
)
def test_mac_with_two_entries_for_one_subnet_is_rejected(one: str, other: str) -> None:
    mac = "hardware ethernet 00:11:22:33:44:55;"
    unmanaged = f"{OTHER_SUBNETS}host a {{ {mac} {one} }}\nhost b {{ {mac} {other} }}\n"
    with pytest.raises(ConfigurationError, match="line 5: the MAC 00:11:22:33:44:55 is already"):
        RENDERER.render(ALL_RASPS, unmanaged, lease_seconds=60)


INVALID_CONFIGS = {
    "": "the configuration is empty",
    f"{SUBNET} }} host a {{ hardware ethernet b8:27:eb:1:2:3; }}"
    " host b { hardware ethernet B8:27:EB:01:02:03; }": (
        "the MAC b8:27:eb:01:02:03 is already used in"
    ),
    f"{SUBNET} }} host a {{ fixed-address 10.23.1.1; }} host b {{ fixed-address 10.23.1.1; }}": (
        "the address 10.23.1.1 is already used in"
    ),
    f"{SUBNET} }} host a {{ hardware ethernet b8:27:eb:01:02; }}": (
        "b8:27:eb:01:02 is not a MAC address of six bytes"
    ),
    f"{SUBNET} }} host a {{ fixed-address 10.24.1.1; }}": "10.24.1.1 is in no declared subnet",
    f"{SUBNET} range 10.23.1.1 10.23.1.9; }} host a {{ fixed-address 10.23.1.5; }}": (
        "10.23.1.5 is in the dynamic range of"
    ),
    f"{SUBNET} pool {{ range 10.23.1.9 10.23.1.1; }} }}": "10.23.1.9 to 10.23.1.1 is reversed",
    f"{SUBNET} }} {SUBNET} }}": "subnet 10.23.0.0/16 overlaps 10.23.0.0/16 of",
    "subnet 10.24.0.0 netmask 255.255.0.0 { }": (
        "no subnet contains 10.23.0.1, the address of the master"
    ),
    f"{SUBNET} }} host a {{ fixed-address nosuch.invalid; }}": (
        "the host name nosuch.invalid cannot be resolved"
    ),
}


@pytest.mark.process
@pytest.mark.parametrize("text", INVALID_CONFIGS)
def test_checks_detect_problems_that_dhcpd_accepts(text: str, tmp_path: Path) -> None:
    path = tmp_path / "dhcpd.conf"
    path.write_text(text)
    dhcpd = find("dhcpd")
    SystemdDhcpd(dhcpd=str(dhcpd.path), env=dhcpd.environment).check(path)
    messages = problems(parse(text, path), (), RACK.network.master, resolve=lambda name: [])
    assert [INVALID_CONFIGS[text] in message for message in messages] == [True]


def test_valid_file_has_no_problems(tmp_path: Path) -> None:
    text = f"{SUBNET} range 10.23.1.1 10.23.1.9; }} host a {{ fixed-address printer; }}"
    assert (
        problems(parse(text, PATH), (), RACK.network.master, resolve=lambda n: HOST_NAMES[n]) == []
    )


@pytest.mark.process
def test_host_names_are_resolved_by_this_machine() -> None:
    assert resolve_host_name("localhost") == [IPv4Address("127.0.0.1")]
    assert resolve_host_name("--help") == resolve_host_name("no such.invalid") == []


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("host a {\n hardware ethernet 1:2", "line 2: the statement has no end"),
        ("group {\n", "line 1: the statement has no end"),
        ("}\n", "line 1: unexpected brace"),
        ('option x "abc;\n', "line 1: the string has no end"),
        ('\ninclude "/nowhere/x.conf";', "/nowhere/x.conf: .*No such file"),
    ],
)
def test_syntax_error_is_reported_with_its_line(text: str, error: str) -> None:
    with pytest.raises(ConfigurationError, match=error):
        RENDERER.render(ALL_RASPS, text, lease_seconds=60)


def test_entries_of_included_files_are_checked(tmp_path: Path) -> None:
    included = tmp_path / "hosts.conf"
    included.write_text(f"\nhost x {{ hardware ethernet {MACS[0]}; }}\n")
    with pytest.raises(ConfigurationError, match=f"already used in {included} line 2"):
        RENDERER.render(ALL_RASPS, f'include "{included}";', lease_seconds=60)


def test_file_that_includes_itself_is_rejected(tmp_path: Path) -> None:
    path = tmp_path / "hosts.conf"
    path.write_text(f'include "{path}";')
    with pytest.raises(ConfigurationError, match="includes itself"):
        RENDERER.render(ALL_RASPS, path.read_text(), lease_seconds=60)


@given(st.text(alphabet='ab{};,"#\n \\'))
def test_any_text_is_parsed_or_rejected_with_its_line(text: str) -> None:
    try:
        parse(text, PATH)
    except ConfigurationError as error:
        assert str(error).startswith(f"{PATH} line ")  # noqa: PT017 - parsing may succeed


@given(
    prefix=st.integers(16, 26),
    stacks=st.integers(1, 12),
    fixed=st.sets(st.integers(1, 2**16 - 2), max_size=20),
)
def test_pool_has_two_free_addresses_for_each_slot(
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
        network=RACK.network.model_copy(update={"subnet": subnet, "master": IPv4Address(base + 1)}),
    )
    fixed_addresses = {IPv4Address(base + offset) for offset in fixed}
    try:
        ranges = pool_ranges(layout, fixed_addresses)
    except ConfigurationError as error:
        assert "enlarge network.subnet" in str(error)  # noqa: PT017 - parsing may succeed
        assert subnet.num_addresses < 3 * len(layout.slots) + len(fixed_addresses) + 3
        return
    addresses = [
        IPv4Address(number) for first, last in ranges for number in range(int(first), int(last) + 1)
    ]
    assert len(addresses) == len(set(addresses)) == 2 * len(layout.slots)
    taken = {layout.network.master, *fixed_addresses, *(slot.address for slot in layout.slots)}
    assert taken.isdisjoint(addresses)
    assert subnet.network_address not in addresses
    assert subnet.broadcast_address not in addresses
    assert all(address in subnet for address in addresses)
