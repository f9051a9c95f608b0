"""The files of the master's key and of the pinned host keys."""

import socket
from ipaddress import IPv4Address
from pathlib import Path
from stat import S_IMODE

import asyncssh
import pytest

from controller.errors import KeyRejectedError
from controller.ssh.host_keys import HostKeys, PinResult
from controller.ssh.master_key import MasterKey
from rack.inventory import Rasp
from tests.helpers.waiting import free_port

RASPS = [
    Rasp(3, slot, f"b8:27:eb:00:03:{slot:02x}", IPv4Address(f"10.23.3.{slot}"))
    for slot in range(1, 5)
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "state" / "ssh"


def generate_key() -> asyncssh.SSHKey:
    return asyncssh.generate_private_key("ssh-ed25519").convert_to_public()


def file_mode(path: Path) -> int:
    return S_IMODE(path.stat().st_mode)


def test_master_key_is_created_once_and_private(folder: Path) -> None:
    key = MasterKey(folder)
    assert key.create()
    original = key.path.read_text()
    assert not key.create()
    assert key.path.read_text() == original
    assert [file_mode(folder), file_mode(key.path)] == [0o700, 0o600]
    assert sorted(path.name for path in folder.iterdir()) == ["id_ed25519", "id_ed25519.pub"]


def test_authorized_keys_line_matches_deploy_template(folder: Path) -> None:
    key = MasterKey(folder)
    key.create()
    *_, line = Path("deploy/authorized_keys").read_text().splitlines()
    assert key.authorized_keys_line() == line.removesuffix("KEY") + key.public_key_line()


def test_load_reports_missing_or_invalid_key_with_fix(folder: Path) -> None:
    key = MasterKey(folder)
    with pytest.raises(KeyRejectedError, match="create it with `python -m controller ssh key`"):
        key.load()
    key.create()
    key.path.write_text("no key")
    with pytest.raises(
        KeyRejectedError, match=r"id_ed25519 cannot be used \(Invalid private key\)"
    ):
        key.load()


def test_for_address_returns_key_of_address_and_port(folder: Path) -> None:
    keys = {rasp: generate_key() for rasp in RASPS}
    HostKeys(folder, 22).replace_keys(keys)
    for rasp, key in keys.items():
        (pinned,) = HostKeys(folder, 22).for_address(rasp.address)
        assert (pinned.key, pinned.name) == (key, f"03-{rasp.slot}")
    assert HostKeys(folder, 9822).for_address(RASPS[0].address) == []
    assert HostKeys(folder, 22).for_address(IPv4Address("10.23.4.1")) == []
    assert file_mode(folder / "known_hosts") == 0o600


def test_lines_of_other_programs_are_preserved(folder: Path) -> None:
    folder.mkdir(parents=True)
    other_lines = [
        "# our switches",
        "",
        f"switch,10.23.0.2 {generate_key().export_public_key().decode().strip()}",
        "|1|hashed= ssh-ed25519 AAAA",
        "@revoked * ssh-ed25519 AAAA",
        "10.23.3.4 ssh-ed25519 damaged",
    ]
    (folder / "known_hosts").write_text("\n".join(other_lines))
    host_keys = HostKeys(folder, 22)
    host_keys.replace_keys({rasp: generate_key() for rasp in RASPS[:2]})
    host_keys.forget([RASPS[0].address])
    lines = (folder / "known_hosts").read_text().splitlines()
    assert lines[:-1] == other_lines
    assert lines[-1].startswith("10.23.3.2,rasp-03-2 ssh-ed25519 ")
    assert host_keys.for_address(RASPS[3].address) == []


def key_text(key: asyncssh.SSHKey) -> str:
    return " ".join(key.export_public_key().decode().split()[:2])


@pytest.mark.parametrize(
    "line",
    [
        "{address} {key}",
        "{address} {key}\r",
        "\ufeff{address} {key}",
        "\t{address}\t{key}  ",
        "rasp-03-1,{address} {key} Müller",
        "{address} ssh-ed25519 AAAA\n{address} {key}",
        "# Geräte\n\n{address} {key}\n\x00\x00",
        "switch ssh-ed25519\nx\n@revoked\n{address} {key}",
        "@revoked * ssh-ed25519 AAAA\n@cert-authority * {other}\n{address} {key}",
        "{address} {key}\n@revoked * {other}",
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
def test_unreadable_lines_do_not_hide_the_key_of_a_rasp(
    folder: Path, line: str, encoding: str
) -> None:
    key = generate_key()
    text = line.format(address="10.23.3.1", key=key_text(key), other=key_text(generate_key()))
    folder.mkdir(parents=True)
    content = text.replace("\ufeff", "").encode(encoding)
    (folder / "known_hosts").write_bytes(b"\xef\xbb\xbf" * ("\ufeff" in text) + content)
    assert pinned_keys(HostKeys(folder, 22), RASPS[0]) == [key]


def test_unreadable_line_is_logged_and_each_byte_is_preserved(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder.mkdir(parents=True)
    other_lines = b"# Ger\xe4te\r\nswitch\xfc\x85 ssh-ed25519 AAAA\x0b\x1c\n\x00\xff"
    path = folder / "known_hosts"
    path.write_bytes(other_lines)
    host_keys = HostKeys(folder, 22)
    key = generate_key()
    assert host_keys.pin_new({RASPS[0]: key}) == {RASPS[0]: PinResult.PINNED}
    assert path.read_bytes().startswith(other_lines + b"\n10.23.3.1,")
    assert pinned_keys(host_keys, RASPS[0]) == [key]
    assert caplog.messages[:2] == [
        f"{path} line 2 cannot be read and is ignored",
        f"{path} line 3 cannot be read and is ignored",
    ]
    host_keys.forget([RASPS[0].address])
    assert path.read_bytes() == other_lines + b"\n"


def revoke(folder: Path, key: asyncssh.SSHKey, hosts: str = "*") -> None:
    with (folder / "known_hosts").open("a") as file:
        file.write(f"@revoked {hosts} {key_text(key)} lost\n")


@pytest.mark.parametrize("hosts", ["*", "10.23.3.1", "rasp-03-?,[10.23.3.1]:22", "|1|YQ==|YQ=="])
def test_revoked_key_is_not_used_and_not_pinned_again(folder: Path, hosts: str) -> None:
    host_keys = HostKeys(folder, 22)
    one, two, *_ = RASPS
    keys = {one: generate_key(), two: generate_key()}
    host_keys.replace_keys(keys)
    revoke(folder, keys[one], hosts)
    assert host_keys.for_address(one.address) == []
    assert host_keys.missing_key_message(one.address) == (
        "the host key of 10.23.3.1 is revoked: create new host keys on the rasp"
        " (`rm /etc/ssh/ssh_host_*; ssh-keygen -A`), then run `python -m controller ssh forget 3/1`"
        " and `ssh pin 3/1`"
    )
    assert pinned_keys(host_keys, two) == [keys[two]]
    assert host_keys.pin_new(keys) == {one: PinResult.REVOKED, two: PinResult.UNCHANGED}
    host_keys.forget([one.address])
    assert host_keys.pin_new(keys) == {one: PinResult.REVOKED, two: PinResult.UNCHANGED}
    assert host_keys.for_address(one.address) == []
    assert "no host key of 10.23.3.1 is pinned" in host_keys.missing_key_message(one.address)


def test_new_key_of_a_rasp_with_a_revoked_key_is_not_pinned_automatically(folder: Path) -> None:
    host_keys = HostKeys(folder, 22)
    key, new_key = generate_key(), generate_key()
    host_keys.replace_keys({RASPS[0]: key})
    revoke(folder, key)
    assert host_keys.pin_new({RASPS[0]: new_key}) == {RASPS[0]: PinResult.CHANGED}
    host_keys.forget([RASPS[0].address])
    assert host_keys.pin_new({RASPS[0]: new_key}) == {RASPS[0]: PinResult.PINNED}
    assert pinned_keys(host_keys, RASPS[0]) == [new_key]


def test_replace_keys_removes_the_previous_key(folder: Path) -> None:
    host_keys = HostKeys(folder, 22)
    host_keys.replace_keys({rasp: generate_key() for rasp in RASPS})
    new_key = generate_key()
    host_keys.replace_keys({RASPS[2]: new_key})
    assert pinned_keys(host_keys, RASPS[2]) == [new_key]
    assert len((folder / "known_hosts").read_text().splitlines()) == len(RASPS)


def at_address_of(rasp: Rasp, other: Rasp) -> Rasp:
    return Rasp(other.stack, other.slot, rasp.mac, other.address)


def pinned_keys(host_keys: HostKeys, rasp: Rasp) -> list[asyncssh.SSHKey]:
    return [pinned.key for pinned in host_keys.for_address(rasp.address)]


def test_pin_new_moves_keys_of_swapped_rasps(folder: Path) -> None:
    host_keys = HostKeys(folder, 22)
    one, two, three, _ = RASPS
    keys = {rasp: generate_key() for rasp in (one, two, three)}
    host_keys.replace_keys(keys)
    swapped = {at_address_of(one, other=two): keys[one], at_address_of(two, other=one): keys[two]}
    assert set(host_keys.pin_new(swapped).values()) == {PinResult.UNCHANGED}
    assert pinned_keys(host_keys, two) == [keys[one]]
    assert pinned_keys(host_keys, one) == [keys[two]]
    assert [pinned.name for pinned in host_keys.for_address(one.address)] == ["03-1"]
    assert len((folder / "known_hosts").read_text().splitlines()) == 3


def test_pin_new_removes_key_from_former_address(folder: Path) -> None:
    host_keys = HostKeys(folder, 22)
    one, *_, four = RASPS
    key = generate_key()
    host_keys.replace_keys({one: key})
    assert set(host_keys.pin_new({at_address_of(one, other=four): key}).values()) == {
        PinResult.UNCHANGED
    }
    assert pinned_keys(host_keys, four) == [key]
    assert host_keys.for_address(one.address) == []


def test_pin_new_pins_key_of_replacement_rasp(folder: Path) -> None:
    host_keys = HostKeys(folder, 22)
    host_keys.replace_keys({RASPS[0]: generate_key()})
    new_rasp, key = Rasp(3, 1, "b8:27:eb:99:99:99", RASPS[0].address), generate_key()
    assert host_keys.pin_new({new_rasp: key}) == {new_rasp: PinResult.PINNED}
    assert pinned_keys(host_keys, new_rasp) == [key]


def test_pin_new_rejects_changed_key_at_any_address(folder: Path) -> None:
    host_keys = HostKeys(folder, 22)
    key = generate_key()
    host_keys.replace_keys({RASPS[0]: key})
    for rasp in (RASPS[0], at_address_of(RASPS[0], other=RASPS[1])):
        assert host_keys.pin_new({rasp: generate_key()}) == {rasp: PinResult.CHANGED}
    assert pinned_keys(host_keys, RASPS[0]) == [key]
    assert host_keys.for_address(RASPS[1].address) == []


def test_pin_new_accepts_key_from_line_of_another_program(folder: Path) -> None:
    key = generate_key()
    folder.mkdir(parents=True)
    line = f"10.23.3.1 {key.export_public_key().decode().strip()} by hand\n"
    (folder / "known_hosts").write_text(line)
    host_keys = HostKeys(folder, 22)
    assert host_keys.pin_new({RASPS[0]: key}) == {RASPS[0]: PinResult.UNCHANGED}
    assert host_keys.pin_new({RASPS[0]: generate_key()}) == {RASPS[0]: PinResult.CHANGED}
    assert (folder / "known_hosts").read_text() == line


def test_change_by_another_process_is_detected(folder: Path) -> None:
    host_keys = HostKeys(folder, 22)
    assert host_keys.for_address(RASPS[0].address) == []
    HostKeys(folder, 22).replace_keys({RASPS[0]: generate_key()})
    assert len(host_keys.for_address(RASPS[0].address)) == 1
    HostKeys(folder, 22).forget([RASPS[0].address])
    assert host_keys.for_address(RASPS[0].address) == []


def test_fetch_and_pin_reports_rasp_without_answer(folder: Path) -> None:
    rasp = Rasp(1, 1, "b8:27:eb:00:01:01", IPv4Address("127.0.0.1"))
    refusing = HostKeys(folder, free_port())
    assert refusing.fetch_and_pin([rasp]) == {rasp: PinResult.NO_ANSWER}
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port: int = silent.getsockname()[1]
        assert HostKeys(folder, port).fetch_and_pin([rasp], timeout=0.2) == {
            rasp: PinResult.NO_ANSWER
        }
    assert not folder.exists()
