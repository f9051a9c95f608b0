"""The SSH keys of a virtual rack, kept in its state folder: they last, as real ones do."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import asyncssh

from controller.ssh.host_keys import HostKeys
from controller.ssh.master_key import MasterKey
from rack import files
from rack.inventory import Rasp


def load_or_create_master_key(state: Path) -> asyncssh.SSHKey:
    """Return the public key that may log in; the pair is made if it is not there.

    Raises:
        OSError: the folder cannot be written.
    """
    folder = state / "ssh"
    public = folder / "id_ed25519.pub"
    if not public.exists():
        MasterKey(folder).create()
    return asyncssh.read_public_key(str(public))


def load_or_create_host_keys(state: Path, count: int) -> Sequence[asyncssh.SSHKey]:
    """Return so many host keys, the same ones each time.

    Raises:
        OSError: the folder cannot be written.
    """
    path = state / "ssh_host_keys"
    keys = asyncssh.read_private_key_list(str(path)) if path.exists() else []
    if len(keys) != count:
        keys = [asyncssh.generate_private_key("ssh-ed25519") for _ in range(count)]
        files.write_private(path, "".join(key.export_private_key().decode() for key in keys))
    return keys


def pin_host_keys(state: Path, keys: Mapping[Rasp, asyncssh.SSHKey], port: int) -> None:
    """Let the controller with this state folder know the host keys; `port` is SSH's.

    Raises:
        OSError: the folder cannot be written.
    """
    HostKeys(state / "ssh", port).pin_keys(keys)
