"""The master's SSH key pair, in OpenSSH's format. Every rasp accepts the key for actions."""

import socket
from pathlib import Path

import asyncssh

from controller.errors import KeyRejectedError
from rack import files
from rack.lock import locked_folder

FORCED_COMMAND = "/usr/local/bin/pirack-exporter action --aliases /etc/pirack/aliases.ini"
"""Command that sshd on a rasp runs for the master's key. See deploy/authorized_keys."""


class MasterKey:
    """The key pair in a folder: `id_ed25519` and `id_ed25519.pub`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.path = folder / "id_ed25519"

    def create(self) -> bool:
        """Create the key pair if it does not exist. Return whether it was created.

        Raises:
            OSError: If the folder cannot be written.
        """
        with locked_folder(self._folder, create=True):
            if self.path.exists():
                return False
            key = asyncssh.generate_private_key(
                "ssh-ed25519", comment=f"pirack@{socket.gethostname()}"
            )
            # The private key is written last: if it exists, the pair is complete.
            public = self.path.with_suffix(".pub")
            files.write_private(public, key.export_public_key().decode())
            files.write_private(self.path, key.export_private_key().decode())
            return True

    def load(self) -> asyncssh.SSHKey:
        """Return the private key.

        Raises:
            KeyRejectedError: If the key does not exist or cannot be used.
        """
        try:
            return asyncssh.read_private_key(str(self.path))
        except FileNotFoundError:
            raise KeyRejectedError(
                f"the master has no SSH key {self.path}:"
                " create it with `python -m controller ssh key`"
            ) from None
        except (OSError, asyncssh.KeyImportError) as error:
            raise KeyRejectedError(
                f"{self.path} cannot be used ({error}): make it readable for the controller's user"
                " (mode 0600), or delete it and run `python -m controller ssh key`"
            ) from error

    def public_key_line(self) -> str:
        """Return the public key, as in `id_ed25519.pub`.

        Raises:
            KeyRejectedError: If the key does not exist or cannot be used.
        """
        return self.load().export_public_key().decode().strip()

    def authorized_keys_line(self) -> str:
        """Return the line for root's authorized_keys on a rasp, which permits actions only.

        Raises:
            KeyRejectedError: If the key does not exist or cannot be used.
        """
        return f'restrict,command="{FORCED_COMMAND}" {self.public_key_line()}'
