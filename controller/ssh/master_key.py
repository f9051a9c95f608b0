"""The master's SSH key pair, which opens every rasp for actions: made once, kept beside pirack.db.

OpenSSH's formats, so that `ssh -i` works with it.
"""

import socket
from pathlib import Path

import asyncssh

from controller.errors import KeyRejectedError
from rack import files

FORCED_COMMAND = "/usr/local/bin/pirack-exporter action --aliases /etc/pirack/aliases.ini"
"""What sshd of a rasp runs, whatever the master's key asks for: see deploy/authorized_keys."""


class MasterKey:
    """The pair in a folder: `id_ed25519` and `id_ed25519.pub`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.path = folder / "id_ed25519"

    def create(self) -> bool:
        """Make the pair if it is not there; tell whether it was made now.

        Raises:
            OSError: the folder cannot be written.
        """
        with files.locked_folder(self._folder):
            if self.path.exists():
                return False
            key = asyncssh.generate_private_key(
                "ssh-ed25519", comment=f"pirack@{socket.gethostname()}"
            )
            # The private half last: where it is, the pair is whole.
            public = self.path.with_suffix(".pub")
            files.write_private(public, key.export_public_key().decode())
            files.write_private(self.path, key.export_private_key().decode())
            return True

    def load(self) -> asyncssh.SSHKey:
        """Return the private key.

        Raises:
            NotAllowed: there is none, or none that can be used.
        """
        try:
            return asyncssh.read_private_key(str(self.path))
        except FileNotFoundError:
            raise KeyRejectedError(
                f"the master has no SSH key {self.path}: make it by `python -m controller ssh key`"
            ) from None
        except (OSError, asyncssh.KeyImportError) as error:
            raise KeyRejectedError(
                f"{self.path} cannot be used ({error}): give it to the controller's user,"
                " with mode 0600, or remove it and make another by `python -m controller ssh key`"
            ) from error

    def public_key_line(self) -> str:
        """Return the public key, as in `id_ed25519.pub`.

        Raises:
            NotAllowed: there is none, or none that can be used.
        """
        return self.load().export_public_key().decode().strip()

    def authorized_keys_line(self) -> str:
        """Return the line for root's authorized_keys on a rasp: actions, and nothing else.

        Raises:
            NotAllowed: there is no key, or none that can be used.
        """
        return f'restrict,command="{FORCED_COMMAND}" {self.public_key_line()}'
