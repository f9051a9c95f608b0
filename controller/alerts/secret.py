"""The secret that Alertmanager and the controller share, in a file that both can read."""

from pathlib import Path

from controller.auth.passwords import random_secret
from rack import files
from rack.errors import RackError

_MIN_LENGTH = 20


class SecretError(RackError):
    """The shared secret cannot be had; the text names the file and the mend."""


def load_or_create(path: Path) -> str:
    """Return the secret in a file, which is made if it is not there.

    It is made readable to the folder's group, so that Alertmanager may be another user.

    Raises:
        SecretError: the file cannot be read or made, or holds no secret.
    """
    try:
        if not path.exists():
            path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
            files.write_private(path, random_secret() + "\n")
            path.chmod(0o640)
        secret = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "not plain text"
        raise SecretError(
            f"--alerts-secret {path}: {why}: name a file that the controller can read, or may make"
        ) from error
    if len(secret) < _MIN_LENGTH or not secret.isprintable() or " " in secret:
        raise SecretError(
            f"--alerts-secret {path}: no secret of {_MIN_LENGTH} characters or more in it:"
            " remove the file, and the controller makes one"
        )
    return secret
