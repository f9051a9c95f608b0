"""HTTP digest authentication with SHA-256, on the side of the server (RFC 7616)."""

import hashlib
import hmac
import secrets
import threading
from collections.abc import Mapping
from urllib.request import parse_http_list, parse_keqv_list

_MAX_NONCES = 256


def digest_response(
    fields: Mapping[str, str], method: str, *, user: str, realm: str, password: str
) -> str:
    """Return the response that proves the password, for the fields of an Authorization header."""
    secret = _sha256(f"{user}:{realm}:{password}")
    request = _sha256(f"{method}:{fields['uri']}")
    return _sha256(
        f"{secret}:{fields['nonce']}:{fields['nc']}:{fields['cnonce']}:{fields['qop']}:{request}"
    )


class DigestAuthentication:
    """Issues nonces and checks Authorization headers. Thread-safe.

    Args:
        user: User name.
        realm: Realm.
    """

    def __init__(self, user: str, realm: str) -> None:
        self._user = user
        self._realm = realm
        self._lock = threading.Lock()
        self._counts: dict[str, int] = {}

    def challenge(self) -> str:
        """Return a WWW-Authenticate header with a new nonce."""
        nonce = secrets.token_hex(8)
        with self._lock:
            self._counts[nonce] = 0
            if len(self._counts) > _MAX_NONCES:
                del self._counts[next(iter(self._counts))]
        return f'Digest qop="auth", realm="{self._realm}", nonce="{nonce}", algorithm=SHA-256'

    def forget(self) -> None:
        """Invalidate all nonces, as a restart does."""
        with self._lock:
            self._counts.clear()

    def is_valid(self, authorization: str, method: str, target: str, password: str) -> bool:
        """Return whether a request proves the password, with a nonce of this server."""
        scheme, _, text = authorization.partition(" ")
        if scheme.lower() != "digest":
            return False
        try:
            fields = parse_keqv_list(parse_http_list(text))
            count = int(fields["nc"], 16)
            expected = digest_response(
                fields, method, user=self._user, realm=self._realm, password=password
            )
            response = fields["response"]
        except (KeyError, ValueError):
            return False
        matches = (
            fields.get("username") == self._user
            and fields.get("realm") == self._realm
            and fields["uri"] == target
            and fields.get("algorithm", "").upper() == "SHA-256"
            and fields["qop"] == "auth"
            and hmac.compare_digest(response.encode(), expected.encode())
        )
        return matches and self._use(fields["nonce"], count)

    def _use(self, nonce: str, count: int) -> bool:
        """Return whether a nonce was issued, and was not used with this count or a later one."""
        with self._lock:
            if nonce not in self._counts or count <= self._counts[nonce]:
                return False
            self._counts[nonce] = count
            return True


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
