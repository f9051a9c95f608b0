"""The secret that Alertmanager and the controller share, in a file."""

from pathlib import Path

from controller.auth.passwords import random_secret
from rack import files
from rack.errors import PiRackError

_MIN_LENGTH = 20


class SecretError(PiRackError):
    """The shared secret cannot be read or created, or is invalid."""


def load_or_create(path: Path) -> str:
    """Return the secret in a file. Create the file if it does not exist.

    The folder's group can read the file, so that Alertmanager can run as another user.

    Raises:
        SecretError: If the file cannot be read or created, or has no valid secret.
    """
    try:
        if not path.exists():
            path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
            files.write_private(path, random_secret() + "\n")
            path.chmod(0o640)
        secret = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not an ASCII file"
        raise SecretError(
            f"--alerts-secret {path}: {reason}: use a file that the controller can read or create"
        ) from error
    if len(secret) < _MIN_LENGTH or not secret.isprintable() or " " in secret:
        raise SecretError(
            f"--alerts-secret {path}: the file needs a secret of at least {_MIN_LENGTH}"
            " characters without spaces: delete the file, and the controller creates a new one"
        )
    return secret
