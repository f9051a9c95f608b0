"""SSH keys of a virtual rack, stored in its state folder."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import asyncssh

from controller.ssh.host_keys import HostKeys
from controller.ssh.master_key import MasterKey
from rack import files
from rack.inventory import Rasp


def load_or_create_master_key(state: Path) -> asyncssh.SSHKey:
    """Return the public key of the master. Create the key pair if it does not exist.

    Raises:
        OSError: If the folder cannot be written.
    """
    folder = state / "ssh"
    public = folder / "id_ed25519.pub"
    if not public.exists():
        MasterKey(folder).create()
    return asyncssh.read_public_key(str(public))


def load_or_create_host_keys(state: Path, count: int) -> Sequence[asyncssh.SSHKey]:
    """Return `count` host keys. Create the keys if they do not exist.

    Raises:
        OSError: If the folder cannot be written.
    """
    path = state / "ssh_host_keys"
    keys = asyncssh.read_private_key_list(str(path)) if path.exists() else []
    if len(keys) != count:
        keys = [asyncssh.generate_private_key("ssh-ed25519") for _ in range(count)]
        files.write_private(path, "".join(key.export_private_key().decode() for key in keys))
    return keys


def pin_host_keys(state: Path, keys: Mapping[Rasp, asyncssh.SSHKey], port: int) -> None:
    """Pin the host keys in the known_hosts file of the controller that uses this state folder.

    Raises:
        OSError: If the folder cannot be written.
    """
    HostKeys(state / "ssh", port).replace_keys(keys)
