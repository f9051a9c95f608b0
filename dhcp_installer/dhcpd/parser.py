"""dhcpd.conf as statements: words, and the block that belongs to them. Pure but for `include`.

After dhcpd.conf(5) and common/conflex.c of ISC dhcpd: `#` begins a comment, strings stand in
double quotes, a statement ends with `;` or has a block in braces.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from dhcp_installer.errors import ConfigurationError

_MAX_INCLUDE_DEPTH = 16
_TOKEN = re.compile(
    r'(?P<space>\s+|#[^\n]*)|(?P<mark>[{};,])|"(?P<string>(?:\\.|[^"\\])*)"|(?P<word>[^\s{};,"#]+)'
)


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement: its words in lower case (strings as they are), commas left out, and its block.

    `location` is the file and the line that it begins on: `/etc/dhcp/dhcpd.conf line 12`.
    """

    words: tuple[str, ...]
    block: tuple["Statement", ...]
    location: str

    def walk(self) -> Iterator["Statement"]:
        """Give this statement and all that stand in it, at any depth."""
        yield self
        for statement in self.block:
            yield from statement.walk()


def read_file(path: Path) -> str:
    """Return a configuration file's text.

    Raises:
        ConfigurationError: it cannot be read.
    """
    try:
        return path.read_bytes().decode("utf-8")  # line ends as they are
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path}: {error}: mend the file, or name another one") from error


def parse(
    text: str, path: Path, *, read: Callable[[Path], str] = read_file, depth: int = 0
) -> tuple[Statement, ...]:
    """Return the statements of a dhcpd.conf, those of included files in their place.

    Args:
        text: the file's.
        path: the file, for errors; included ones are looked up from `/`, where dhcpd runs.
        read: returns an included file's text.
        depth: how deep in included files this one is.

    Raises:
        ConfigurationError: braces or quotes do not match, or an included file cannot be read.
    """
    blocks: list[tuple[tuple[str, ...], str, list[Statement]]] = [((), "", [])]
    words: list[str] = []
    where = ""
    for line, kind, lexeme in _tokens(text, path):
        if kind != "mark":
            where = where or f"{path} line {line}"
            words.append(lexeme if kind == "string" else lexeme.lower())
        elif lexeme == "{":
            blocks.append((tuple(words), where or f"{path} line {line}", []))
            words, where = [], ""
        elif lexeme == "}":
            if len(blocks) == 1 or words:
                raise ConfigurationError(f"{path} line {line}: a brace too many, or a ; too few")
            opening, begin, inside = blocks.pop()
            blocks[-1][2].append(Statement(opening, tuple(inside), begin))
        elif lexeme == ";" and words:
            if words[0] == "include" and len(words) > 1:
                blocks[-1][2].extend(_include(Path("/", words[1]), where, read, depth + 1))
            else:
                blocks[-1][2].append(Statement(tuple(words), (), where))
            words, where = [], ""
    if len(blocks) > 1 or words:
        begin = where or blocks[-1][1]
        raise ConfigurationError(f"{begin}: this statement has no end: close it with ; or a brace")
    return tuple(blocks[0][2])


def _include(
    path: Path, location: str, read: Callable[[Path], str], depth: int
) -> tuple[Statement, ...]:
    if depth > _MAX_INCLUDE_DEPTH:
        raise ConfigurationError(f"{location}: includes itself: take the line out")
    return parse(read(path), path, read=read, depth=depth)


def _tokens(text: str, path: Path) -> Iterator[tuple[int, str, str]]:
    line = 1
    position = 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise ConfigurationError(f"{path} line {line}: a string without an end: close it")
        kind = str(match.lastgroup)
        if kind != "space":
            yield line, kind, match[kind]
        line += match[0].count("\n")
        position = match.end()
