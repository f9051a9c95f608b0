"""Digest access authentication with SHA-256 (RFC 7616), as Shelly devices use it.

The protocol of the devices has no other algorithm. Weaker ones, which a false device could ask for,
are rejected.
"""

import re
from hashlib import sha256

_PARAMETER = re.compile(r'(\w+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,]+))')
_SAFE = re.compile(r'[^"\\\x00-\x1f\x7f]*')


class UnsupportedChallengeError(ValueError):
    """A server asks for another authentication than digest with SHA-256."""


def authorization(
    challenge: str, *, user: str, password: str, method: str, target: str, client_nonce: str
) -> str:
    """Return the header `Authorization` that answers a challenge.

    Args:
        challenge: Header `WWW-Authenticate` of the server.
        user: User name.
        password: Password.
        method: Method of the request.
        target: Path and query of the request.
        client_nonce: Random text, new for each request.

    Raises:
        UnsupportedChallengeError: If the challenge is not digest with SHA-256.
    """
    scheme, _, text = challenge.strip().partition(" ")
    parameters = {
        found[1].lower(): found[2] if found[2] is not None else found[3]
        for found in _PARAMETER.finditer(text)
    }
    algorithm = parameters.get("algorithm", "MD5")
    qualities = [quality.strip() for quality in parameters.get("qop", "").split(",")]
    realm, nonce = parameters.get("realm", ""), parameters.get("nonce", "")
    opaque = parameters.get("opaque", "")
    if (
        scheme.lower() != "digest"
        or algorithm.upper() != "SHA-256"
        or "auth" not in qualities
        or not nonce
        or not all(_SAFE.fullmatch(value) for value in (realm, nonce, opaque))
    ):
        raise UnsupportedChallengeError("not digest authentication with SHA-256")
    count = "00000001"
    secret = _hash(f"{user}:{realm}:{password}")
    request = _hash(f"{method}:{target}")
    response = _hash(f"{secret}:{nonce}:{count}:{client_nonce}:auth:{request}")
    answer = (
        f'Digest username="{user}", realm="{realm}", uri="{target}", algorithm=SHA-256,'
        f' nonce="{nonce}", nc={count}, cnonce="{client_nonce}", qop=auth, response="{response}"'
    )
    return f'{answer}, opaque="{opaque}"' if opaque else answer


def _hash(text: str) -> str:
    return sha256(text.encode("utf-8")).hexdigest()
