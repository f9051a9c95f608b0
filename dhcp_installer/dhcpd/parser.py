"""Parser of dhcpd.conf, following dhcpd.conf(5) and common/conflex.c of ISC dhcpd."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from dhcp_installer.config_text import decode
from dhcp_installer.errors import ConfigurationError

_MAX_INCLUDE_DEPTH = 16
_TOKEN = re.compile(
    r'(?P<space>\s+|#[^\n]*)|(?P<mark>[{};,])|"(?P<string>(?:\\.|[^"\\])*)"|(?P<word>[^\s{};,"#]+)'
)


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement, which ends with `;` or with a block in braces.

    Args:
        words: Words in lower case and strings of the statement, without commas.
        block: Statements of the block.
        location: File and line, for example `/etc/dhcp/dhcpd.conf line 12`.
    """

    words: tuple[str, ...]
    block: tuple["Statement", ...]
    location: str

    def walk(self) -> Iterator["Statement"]:
        """Yield this statement and all nested ones."""
        yield self
        for statement in self.block:
            yield from statement.walk()


def read_file(path: Path) -> str:
    """Return the text of a configuration file, see `config_text`.

    Raises:
        ConfigurationError: If the file cannot be read, or starts with a byte order mark.
    """
    try:
        text = decode(path.read_bytes())
    except (OSError, ValueError) as error:  # ValueError: the path contains a null character
        raise ConfigurationError(f"{path}: {error}: correct the file or its permissions") from error
    if text.startswith("\ufeff"):
        raise ConfigurationError(
            f"{path} line 1: dhcpd rejects the byte order mark: save the file without it"
        )
    return text


def parse(
    text: str, path: Path, *, read: Callable[[Path], str] = read_file, depth: int = 0
) -> tuple[Statement, ...]:
    """Return the statements of a dhcpd.conf, including those of included files.

    Args:
        text: Text of the file.
        path: The file, for locations. Included paths are relative to `/`, where dhcpd runs.
        read: Returns the text of an included file.
        depth: Nesting level of this file.

    Raises:
        ConfigurationError: If braces or quotes do not match, or an included file cannot be read.
    """
    blocks: list[tuple[tuple[str, ...], str, list[Statement]]] = [((), "", [])]
    words: list[str] = []
    location = ""
    for line, kind, lexeme in _tokens(text, path):
        if kind != "mark":
            location = location or f"{path} line {line}"
            words.append(lexeme if kind == "string" else lexeme.lower())
        elif lexeme == "{":
            blocks.append((tuple(words), location or f"{path} line {line}", []))
            words, location = [], ""
        elif lexeme == "}":
            if len(blocks) == 1 or words:
                raise ConfigurationError(
                    f"{path} line {line}: unexpected brace: add the missing ; or remove the brace"
                )
            opening, start, block = blocks.pop()
            blocks[-1][2].append(Statement(opening, tuple(block), start))
        elif lexeme == ";" and words:
            if words[0] == "include" and len(words) > 1:
                blocks[-1][2].extend(_include(Path("/", words[1]), location, read, depth + 1))
            else:
                blocks[-1][2].append(Statement(tuple(words), (), location))
            words, location = [], ""
    if len(blocks) > 1 or words:
        start = location or blocks[-1][1]
        raise ConfigurationError(f"{start}: the statement has no end: add ; or a brace")
    return tuple(blocks[0][2])


def _include(
    path: Path, location: str, read: Callable[[Path], str], depth: int
) -> tuple[Statement, ...]:
    if depth > _MAX_INCLUDE_DEPTH:
        raise ConfigurationError(f"{location}: the file includes itself: remove this line")
    return parse(read(path), path, read=read, depth=depth)


def _tokens(text: str, path: Path) -> Iterator[tuple[int, str, str]]:
    line = 1
    position = 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise ConfigurationError(
                f"{path} line {line}: the string has no end: add a quotation mark"
            )
        kind = str(match.lastgroup)
        if kind != "space":
            yield line, kind, match[kind]
        line += match[0].count("\n")
        position = match.end()
