"""Conversion between the bytes of dhcpd.conf and text, without loss.

dhcpd accepts comments and strings in any encoding. A byte that is not UTF-8 becomes a surrogate
escape (PEP 383) in the text, and the same byte when the text is written.
"""


def decode(content: bytes) -> str:
    """Return the text of a configuration file."""
    return content.decode("utf-8", "surrogateescape")


def encode(text: str) -> bytes:
    """Return the bytes of a configuration file."""
    return text.encode("utf-8", "surrogateescape")


def printable(text: str) -> str:
    """Return a text for users, in which bytes that are not UTF-8 are replaced."""
    return encode(text).decode("utf-8", "replace")
