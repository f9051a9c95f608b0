"""Credentials of power sources, from files or environment variables.

rack.toml names the file or the variable and never contains the credential. Credentials are read at
each connection, so that a new one needs no restart.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from rack.errors import PiRackError
from rack.settings import Settings

_MAX_BYTES = 4096

SecretFile = Annotated[str, Field(pattern=r"^(/.+)?$")]
"""Absolute path of a file that contains a credential, or an empty string."""

SecretVariable = Annotated[str, Field(pattern=r"^([A-Za-z_][A-Za-z0-9_]*)?$")]
"""Name of an environment variable that contains a credential, or an empty string."""


class CredentialError(PiRackError):
    """A credential cannot be read. The text names the key of rack.toml, and not the credential."""


def secret_file(what: str) -> Any:
    """Return the field of a key such as `password_file`."""
    return Field("", description=f"the absolute path of a file that contains {what}")


def secret_variable(what: str) -> Any:
    """Return the field of a key such as `password_env`."""
    return Field("", description=f"the environment variable of the controller that contains {what}")


def is_set(settings: Settings, key: str) -> bool:
    """Return whether `KEY_file` or `KEY_env` is set.

    Raises:
        ValueError: If both are set.
    """
    names = [name for name in (f"{key}_file", f"{key}_env") if getattr(settings, name)]
    if len(names) > 1:
        raise ValueError(f"{names[0]} and {names[1]} are set: remove one of them")
    return bool(names)


def read_secret(settings: Settings, key: str, environment: Mapping[str, str] | None = None) -> str:
    """Return a credential, or an empty string if neither `KEY_file` nor `KEY_env` is set.

    Args:
        settings: Settings of a power source, with the keys `KEY_file` and `KEY_env`.
        key: For example `password`.
        environment: By default, the environment of this process.

    Raises:
        CredentialError: If the credential cannot be read or is empty.
    """
    if name := getattr(settings, f"{key}_env"):
        secret = (os.environ if environment is None else environment).get(name, "")
        if not secret:
            raise CredentialError(
                f"{key}_env: the environment variable {name} is not set:"
                " set it in /etc/pirack/controller.env, and restart the controller"
            )
        return secret
    if path := getattr(settings, f"{key}_file"):
        return _read_file(Path(path), f"{key}_file")
    return ""


def _read_file(path: Path, key: str) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_BYTES + 1)
        secret = content.decode("utf-8").strip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8"
        raise CredentialError(
            f"{key}: {path} cannot be read: {reason}: create a file that the user pirack can read"
        ) from error
    if not secret or "\n" in secret or len(content) > _MAX_BYTES:
        raise CredentialError(
            f"{key}: {path} does not contain exactly one line: write the credential to it"
        )
    return secret
