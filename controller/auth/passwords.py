"""Password hashes and random secrets, which are never logged.

Passwords are hashed with scrypt, with parameters of the OWASP Password Storage Cheat Sheet (32 MiB,
p = 3). Unlike Argon2id, scrypt needs no further compiled package: Python and Werkzeug include it.
"""

import hashlib
import re
import secrets
import threading
import unicodedata

from werkzeug.security import check_password_hash, generate_password_hash

from controller.errors import AccessError

MIN_PASSWORD_CHARS, MAX_PASSWORD_CHARS = 12, 128

_HASH_METHOD = "scrypt:32768:8:3"
# No password has this hash. Checking it takes the same time as checking a user's hash.
_DUMMY_HASH = f"{_HASH_METHOD}${'0' * 16}${'0' * 128}"
# Each check needs 32 MiB. More than two at a time would slow down a small Pi.
_HASHING_SLOTS = threading.BoundedSemaphore(2)

_UNAMBIGUOUS_CHARS = "abcdefghjkmnpqrstuvwxyz23456789"
_PASSWORD_GROUPS, _CHARS_PER_GROUP = 4, 5


def hash_password(password: str) -> str:
    """Return the hash of a password.

    Raises:
        AccessError: If the password is too short or too long, or contains control characters.
    """
    single_spaced = re.sub(r"\s+", " ", password)  # spaces in a row do not make a password long
    if len(single_spaced) < MIN_PASSWORD_CHARS or len(password) > MAX_PASSWORD_CHARS:
        raise AccessError(
            f"the password has {len(password)} characters: use {MIN_PASSWORD_CHARS} to"
            f" {MAX_PASSWORD_CHARS}, and count spaces in a row as one"
        )
    # `isprintable` would reject emojis of several code points, and spaces of other scripts.
    if any(unicodedata.category(character) in {"Cc", "Cs"} for character in password):
        raise AccessError("the password contains control characters: use printable characters")
    with _HASHING_SLOTS:
        return generate_password_hash(_normalize(password), _HASH_METHOD)


def verify_password(password: str, password_hash: str | None) -> bool:
    """Return whether a password matches a hash, None for an unknown user.

    The duration does not depend on the hash, and thus does not reveal which users exist.
    """
    if len(password) > MAX_PASSWORD_CHARS:  # always wrong: do not hash a long text
        password, password_hash = "", None
    with _HASHING_SLOTS:
        is_match = check_password_hash(password_hash or _DUMMY_HASH, _normalize(password))
    return is_match and password_hash is not None


def _normalize(password: str) -> str:
    # Keyboards can send different code points for the same character.
    return unicodedata.normalize("NFKC", password)


def random_password() -> str:
    """Return a password of 99 random bits, in groups of unambiguous characters."""
    return "-".join(
        "".join(secrets.choice(_UNAMBIGUOUS_CHARS) for _ in range(_CHARS_PER_GROUP))
        for _ in range(_PASSWORD_GROUPS)
    )


def random_secret() -> str:
    """Return 256 random bits as 43 characters for a cookie or a header."""
    return secrets.token_urlsafe(32)


def hash_token(secret: str) -> str:
    """Return the hash of a random secret.

    SHA-256 is sufficient for 256 random bits. A lookup by hash needs no constant time,
    because a client cannot choose the hash.
    """
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
