"""The secret that the controller shares with the monitoring services, in a file.

Alertmanager sends the secret to the webhook. Alertmanager and blackbox_exporter require the secret
as the password of `pirack`, because a page in any browser could otherwise silence alerts.
"""

from base64 import b64encode
from collections.abc import Mapping
from pathlib import Path

import bcrypt

from controller.auth.passwords import random_secret
from rack import files
from rack.errors import PiRackError

USER = "pirack"
"""User name of the controller and of Prometheus at Alertmanager and blackbox_exporter."""

WEB_CONFIG = "web.yml"
"""File next to the secret, for the option `--web.config.file` of the services."""

_MIN_LENGTH = 20
_MAX_LENGTH = 72  # bcrypt ignores further characters
_BCRYPT_ROUNDS = 6  # the secret is random, so that a hash need not be slow


class SecretError(PiRackError):
    """The shared secret cannot be read or created, or is invalid."""


def load_or_create(path: Path) -> str:
    """Return the secret in a file. Create the file if it does not exist.

    The folder also contains `WEB_CONFIG` with a hash of the secret. The folder's group can read
    both files, so that the services can run as another user.

    Raises:
        SecretError: If a file cannot be read or created, or has no valid secret.
    """
    try:
        if not path.exists():
            path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
            _write_for_group(path, random_secret() + "\n")
        secret = load(path)
        _update_web_config(path.with_name(WEB_CONFIG), secret)
    except (OSError, UnicodeDecodeError) as error:
        raise _unusable(path, error) from error
    return secret


def load(path: Path) -> str:
    """Return the secret in an existing file.

    Raises:
        SecretError: If the file cannot be read or has no valid secret.
    """
    try:
        secret = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise _unusable(path, error) from error
    if _is_valid(secret):
        return secret
    raise SecretError(
        f"--alerts-secret {path}: the file needs a secret of {_MIN_LENGTH} to {_MAX_LENGTH}"
        " characters without spaces: delete the file, and the controller creates a new one"
    )


def _unusable(path: Path, error: OSError | UnicodeDecodeError) -> SecretError:
    reason = getattr(error, "strerror", None) or "not an ASCII file"
    return SecretError(
        f"--alerts-secret {path}: {reason}: use a file that the controller can read or create"
    )


def basic_authorization(secret: str) -> Mapping[str, str]:
    """Return the request header for Alertmanager and blackbox_exporter."""
    return {"Authorization": f"Basic {b64encode(f'{USER}:{secret}'.encode()).decode()}"}


def _is_valid(secret: str) -> bool:
    return _MIN_LENGTH <= len(secret) <= _MAX_LENGTH and secret.isprintable() and " " not in secret


def _update_web_config(path: Path, secret: str) -> None:
    """Write the file unless it contains a hash of the secret. The services read it again."""
    password = secret.encode()
    if path.exists():
        stored = path.read_text(encoding="ascii").rpartition(" ")[2].strip().encode()
        if stored.startswith(b"$2") and bcrypt.checkpw(password, stored):
            return
    hashed = bcrypt.hashpw(password, bcrypt.gensalt(_BCRYPT_ROUNDS)).decode()
    _write_for_group(path, f"basic_auth_users:\n  {USER}: {hashed}\n")


def _write_for_group(path: Path, text: str) -> None:
    files.write_private(path, text)
    path.chmod(0o640)
