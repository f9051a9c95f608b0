"""Passwords and random secrets: made, stored as hashes, checked. Nothing here is ever logged.

Passwords are hashed by scrypt, with a setting of OWASP's Password Storage Cheat Sheet (32 MiB,
p = 3). Argon2id would do as well; scrypt comes with Python and Werkzeug, and a rack, whose network
has no internet, is better off with one compiled package fewer.
"""

import hashlib
import secrets
import threading
import unicodedata

from werkzeug.security import check_password_hash, generate_password_hash

from controller.errors import AccessError

MIN_PASSWORD_CHARS, MAX_PASSWORD_CHARS = 12, 1000

_HASH_METHOD = "scrypt:32768:8:3"
# No password has this hash; checking it takes as long as checking somebody's.
_DUMMY_HASH = f"{_HASH_METHOD}${'0' * 16}${'0' * 128}"
# A check takes 32 MiB: more than two at a time would be felt on a small Pi.
_HASHING_SLOTS = threading.BoundedSemaphore(2)

_UNAMBIGUOUS_CHARS = "abcdefghjkmnpqrstuvwxyz23456789"
_PASSWORD_GROUPS, _CHARS_PER_GROUP = 4, 5


def hash_password(password: str) -> str:
    """Return what is kept of a password.

    Raises:
        AccessError: it is too short or too long, or holds what cannot be typed.
    """
    if not MIN_PASSWORD_CHARS <= len(password) <= MAX_PASSWORD_CHARS:
        raise AccessError(
            f"a password of {len(password)} characters: take {MIN_PASSWORD_CHARS} or more,"
            f" {MAX_PASSWORD_CHARS} at most"
        )
    if not password.isprintable():
        raise AccessError("a password with control characters: take some that can be typed")
    with _HASHING_SLOTS:
        return generate_password_hash(_normalize(password), _HASH_METHOD)


def verify_password(password: str, password_hash: str | None) -> bool:
    """Tell whether a password is the one that was hashed.

    It takes the same time for nobody's hash, None, as for somebody's, so that nobody learns from
    the time which users there are.
    """
    if len(password) > MAX_PASSWORD_CHARS:  # it is nobody's, and no work is made of its length
        password, password_hash = "", None
    with _HASHING_SLOTS:
        is_right = check_password_hash(password_hash or _DUMMY_HASH, _normalize(password))
    return is_right and password_hash is not None


def _normalize(password: str) -> str:
    # The same letters come as different code points from different keyboards.
    return unicodedata.normalize("NFKC", password)


def random_password() -> str:
    """Return a password of 99 random bits, in groups and without letters that look alike."""
    return "-".join(
        "".join(secrets.choice(_UNAMBIGUOUS_CHARS) for _ in range(_CHARS_PER_GROUP))
        for _ in range(_PASSWORD_GROUPS)
    )


def random_secret() -> str:
    """Return 256 random bits, as 43 characters that a cookie and a header can hold."""
    return secrets.token_urlsafe(32)


def hash_token(secret: str) -> str:
    """Return what is kept of a random secret.

    Of 256 random bits a plain SHA-256 is enough: there is nothing to guess. A look-up by it needs
    no constant time either, for whoever tries cannot choose the digest.
    """
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
