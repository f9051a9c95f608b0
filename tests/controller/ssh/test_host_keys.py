"""The master's key and the pinned host keys, as files that OpenSSH can use."""

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


def test_the_masters_key_is_made_once_and_nobody_else_can_read_it(folder: Path) -> None:
    key = MasterKey(folder)
    assert key.create()
    before = key.path.read_text()
    assert not key.create()
    assert key.path.read_text() == before
    assert [file_mode(folder), file_mode(key.path)] == [0o700, 0o600]
    assert sorted(each.name for each in folder.iterdir()) == ["id_ed25519", "id_ed25519.pub"]


def test_the_line_for_the_rasps_is_the_one_of_deploy(folder: Path) -> None:
    key = MasterKey(folder)
    key.create()
    *_, line = Path("deploy/authorized_keys").read_text().splitlines()
    assert key.authorized_keys_line() == line.removesuffix("KEY") + key.public_key_line()


def test_a_key_that_is_missing_or_broken_is_told_with_its_mend(folder: Path) -> None:
    key = MasterKey(folder)
    with pytest.raises(KeyRejectedError, match="make it by `python -m controller ssh key`"):
        key.load()
    key.create()
    key.path.write_text("no key")
    with pytest.raises(
        KeyRejectedError, match=r"id_ed25519 cannot be used \(Invalid private key\)"
    ):
        key.load()


def test_a_pinned_key_is_found_by_address_and_port(folder: Path) -> None:
    keys = {rasp: generate_key() for rasp in RASPS}
    HostKeys(folder, 22).pin_keys(keys)
    for rasp, key in keys.items():
        (pinned,) = HostKeys(folder, 22).for_address(rasp.address)
        assert (pinned.key, pinned.name) == (key, f"03-{rasp.slot}")
    assert HostKeys(folder, 9822).for_address(RASPS[0].address) == []
    assert HostKeys(folder, 22).for_address(IPv4Address("10.23.4.1")) == []
    assert file_mode(folder / "known_hosts") == 0o600


def test_what_others_have_written_stays(folder: Path) -> None:
    folder.mkdir(parents=True)
    theirs = [
        "# our switches",
        "",
        f"switch,10.23.0.2 {generate_key().export_public_key().decode().strip()}",
        "|1|hashed= ssh-ed25519 AAAA",
        "@revoked * ssh-ed25519 AAAA",
        "10.23.3.4 ssh-ed25519 damaged",
    ]
    (folder / "known_hosts").write_text("\n".join(theirs))
    host_keys = HostKeys(folder, 22)
    host_keys.pin_keys({rasp: generate_key() for rasp in RASPS[:2]})
    host_keys.forget([RASPS[0].address])
    lines = (folder / "known_hosts").read_text().splitlines()
    assert lines[:-1] == theirs
    assert lines[-1].startswith("10.23.3.2,rasp-03-2 ssh-ed25519 ")
    assert host_keys.for_address(RASPS[3].address) == []


def test_a_key_put_again_takes_the_old_ones_place(folder: Path) -> None:
    host_keys = HostKeys(folder, 22)
    host_keys.pin_keys({rasp: generate_key() for rasp in RASPS})
    fresh = generate_key()
    host_keys.pin_keys({RASPS[2]: fresh})
    assert [each.key for each in host_keys.for_address(RASPS[2].address)] == [fresh]
    assert len((folder / "known_hosts").read_text().splitlines()) == len(RASPS)


def at_address_of(rasp: Rasp, other: Rasp) -> Rasp:
    return Rasp(other.stack, other.slot, rasp.mac, other.address)


def test_keys_go_with_rasps_that_have_changed_places(folder: Path) -> None:
    host_keys = HostKeys(folder, 22)
    one, two, three, _ = RASPS
    keys = {rasp: generate_key() for rasp in (one, two, three)}
    host_keys.pin_keys(keys)
    swapped = {at_address_of(one, other=two): keys[one], at_address_of(two, other=one): keys[two]}
    assert set(host_keys.pin_new(swapped).values()) == {PinResult.UNCHANGED}
    assert [each.key for each in host_keys.for_address(two.address)] == [keys[one]]
    assert [each.key for each in host_keys.for_address(one.address)] == [keys[two]]
    assert [each.name for each in host_keys.for_address(one.address)] == ["03-1"]
    assert len((folder / "known_hosts").read_text().splitlines()) == 3


def test_nothing_stays_pinned_where_a_rasp_has_gone_from(folder: Path) -> None:
    host_keys = HostKeys(folder, 22)
    one, *_, four = RASPS
    key = generate_key()
    host_keys.pin_keys({one: key})
    assert set(host_keys.pin_new({at_address_of(one, other=four): key}).values()) == {
        PinResult.UNCHANGED
    }
    assert [each.key for each in host_keys.for_address(four.address)] == [key]
    assert host_keys.for_address(one.address) == []


def test_another_rasp_in_a_place_is_a_new_one(folder: Path) -> None:
    host_keys = HostKeys(folder, 22)
    host_keys.pin_keys({RASPS[0]: generate_key()})
    fresh, key = Rasp(3, 1, "b8:27:eb:99:99:99", RASPS[0].address), generate_key()
    assert host_keys.pin_new({fresh: key}) == {fresh: PinResult.PINNED}
    assert [each.key for each in host_keys.for_address(fresh.address)] == [key]


def test_a_rasp_that_shows_another_key_is_not_believed_wherever_it_is(folder: Path) -> None:
    host_keys = HostKeys(folder, 22)
    key = generate_key()
    host_keys.pin_keys({RASPS[0]: key})
    for rasp in (RASPS[0], at_address_of(RASPS[0], other=RASPS[1])):
        assert host_keys.pin_new({rasp: generate_key()}) == {rasp: PinResult.CHANGED}
    assert [each.key for each in host_keys.for_address(RASPS[0].address)] == [key]
    assert host_keys.for_address(RASPS[1].address) == []


def test_a_line_that_somebody_else_wrote_counts_for_its_address(folder: Path) -> None:
    key = generate_key()
    folder.mkdir(parents=True)
    line = f"10.23.3.1 {key.export_public_key().decode().strip()} by hand\n"
    (folder / "known_hosts").write_text(line)
    host_keys = HostKeys(folder, 22)
    assert host_keys.pin_new({RASPS[0]: key}) == {RASPS[0]: PinResult.UNCHANGED}
    assert host_keys.pin_new({RASPS[0]: generate_key()}) == {RASPS[0]: PinResult.CHANGED}
    assert (folder / "known_hosts").read_text() == line


def test_a_change_by_another_process_is_seen(folder: Path) -> None:
    host_keys = HostKeys(folder, 22)
    assert host_keys.for_address(RASPS[0].address) == []
    HostKeys(folder, 22).pin_keys({RASPS[0]: generate_key()})
    assert len(host_keys.for_address(RASPS[0].address)) == 1
    HostKeys(folder, 22).forget([RASPS[0].address])
    assert host_keys.for_address(RASPS[0].address) == []


def test_whoever_gives_no_answer_is_not_pinned(folder: Path) -> None:
    rasp = Rasp(1, 1, "b8:27:eb:00:01:01", IPv4Address("127.0.0.1"))
    refusing = HostKeys(folder, free_port())
    assert refusing.fetch_and_pin([rasp]) == {rasp: PinResult.NO_ANSWER}
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port: int = silent.getsockname()[1]
        assert HostKeys(folder, port).fetch_and_pin([rasp], timeout=0.2) == {
            rasp: PinResult.NO_ANSWER
        }
    assert not folder.exists()
