"""Host keys go with their rasps when these get other addresses."""

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
    HostKeys(tmp_path, PORT).pin_keys(keys)
    return keys


def pinned_keys(folder: Path) -> dict[IPv4Address, list[asyncssh.SSHKey]]:
    host_keys = HostKeys(folder, PORT)
    return {
        rasp.address: [each.key for each in host_keys.for_address(rasp.address)]
        for rasp in (ONE, OTHER)
    }


def test_two_that_were_swapped_keep_theirs(
    tmp_path: Path, keys: dict[Rasp, asyncssh.SSHKey]
) -> None:
    after = [Rasp(3, 1, OTHER.mac, ONE.address), Rasp(3, 2, ONE.mac, OTHER.address)]
    assert RaspSsh(tmp_path, PORT).move_host_keys([ONE, OTHER], after) == []
    assert pinned_keys(tmp_path) == {ONE.address: [keys[OTHER]], OTHER.address: [keys[ONE]]}


def test_where_nobody_moved_nothing_changes(
    tmp_path: Path, keys: dict[Rasp, asyncssh.SSHKey]
) -> None:
    before = (tmp_path / "known_hosts").read_text()
    assert RaspSsh(tmp_path, PORT).move_host_keys([ONE, OTHER], [ONE, OTHER]) == []
    assert (tmp_path / "known_hosts").read_text() == before


def test_a_file_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "known_hosts").mkdir()
    [remark] = RaspSsh(tmp_path, PORT).move_host_keys([ONE, OTHER], [OTHER])
    assert remark.startswith("the SSH host keys do not go with their rasps: ")
