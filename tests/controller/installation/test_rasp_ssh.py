"""SSH host keys after rasps get other addresses."""

from ipaddress import IPv4Address
from pathlib import Path

import asyncssh
import pytest

from controller.installation.rasp_ssh import RaspSsh
from controller.ssh.host_keys import HostKeys
from rack.inventory import Rasp

PORT = 22
ONE = Rasp(3, 1, "b8:27:eb:00:00:01", IPv4Address("10.23.3.1"))
OTHER = Rasp(3, 2, "b8:27:eb:00:00:02", IPv4Address("10.23.3.2"))


@pytest.fixture
def keys(tmp_path: Path) -> dict[Rasp, asyncssh.SSHKey]:
    keys = {
        rasp: asyncssh.generate_private_key("ssh-ed25519").convert_to_public()
        for rasp in (ONE, OTHER)
    }
    HostKeys(tmp_path, PORT).replace_keys(keys)
    return keys


def pinned_keys(folder: Path) -> dict[IPv4Address, list[asyncssh.SSHKey]]:
    host_keys = HostKeys(folder, PORT)
    return {
        rasp.address: [pinned.key for pinned in host_keys.for_address(rasp.address)]
        for rasp in (ONE, OTHER)
    }


def test_swapped_rasps_keep_their_host_keys(
    tmp_path: Path, keys: dict[Rasp, asyncssh.SSHKey]
) -> None:
    swapped = [Rasp(3, 1, OTHER.mac, ONE.address), Rasp(3, 2, ONE.mac, OTHER.address)]
    assert RaspSsh(tmp_path, PORT).move_host_keys([ONE, OTHER], swapped) == []
    assert pinned_keys(tmp_path) == {ONE.address: [keys[OTHER]], OTHER.address: [keys[ONE]]}


@pytest.mark.parametrize("interrupted", ["before the inventory changed", "after it"])
def test_repeated_move_after_an_interruption_changes_nothing(
    tmp_path: Path, keys: dict[Rasp, asyncssh.SSHKey], interrupted: str
) -> None:
    swapped = [Rasp(3, 1, OTHER.mac, ONE.address), Rasp(3, 2, ONE.mac, OTHER.address)]
    RaspSsh(tmp_path, PORT).move_host_keys([ONE, OTHER], swapped)
    previous = [ONE, OTHER] if interrupted.startswith("before") else swapped
    RaspSsh(tmp_path, PORT).move_host_keys(previous, swapped)
    assert pinned_keys(tmp_path) == {ONE.address: [keys[OTHER]], OTHER.address: [keys[ONE]]}


def test_recovery_moves_keys_after_the_inventory_was_already_replaced(
    tmp_path: Path, keys: dict[Rasp, asyncssh.SSHKey]
) -> None:
    swapped = [Rasp(3, 1, OTHER.mac, ONE.address), Rasp(3, 2, ONE.mac, OTHER.address)]
    assert RaspSsh(tmp_path, PORT).move_host_keys(swapped, swapped) == []
    assert pinned_keys(tmp_path) == {ONE.address: [keys[OTHER]], OTHER.address: [keys[ONE]]}


def test_keys_that_other_programs_pinned_move_with_their_rasps(tmp_path: Path) -> None:
    key = asyncssh.generate_private_key("ssh-ed25519").convert_to_public()
    text = key.export_public_key().decode()
    (tmp_path / "known_hosts").write_text(f"{ONE.address} {text}")
    moved = Rasp(3, 2, ONE.mac, OTHER.address)
    assert RaspSsh(tmp_path, PORT).move_host_keys([ONE], [moved]) == []
    assert pinned_keys(tmp_path)[OTHER.address] == [key]


def test_known_hosts_is_unchanged_if_no_rasp_moved(
    tmp_path: Path, keys: dict[Rasp, asyncssh.SSHKey]
) -> None:
    known_hosts = (tmp_path / "known_hosts").read_text()
    assert RaspSsh(tmp_path, PORT).move_host_keys([ONE, OTHER], [ONE, OTHER]) == []
    assert (tmp_path / "known_hosts").read_text() == known_hosts


def test_unusable_known_hosts_is_reported(tmp_path: Path) -> None:
    (tmp_path / "known_hosts").mkdir()
    [message] = RaspSsh(tmp_path, PORT).move_host_keys([ONE, OTHER], [OTHER])
    assert message.startswith("the SSH host keys cannot be moved to the new addresses: ")
