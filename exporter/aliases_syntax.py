"""Split an aliases file into sections and entries. `exporter.aliases` validates them.

A line that is indented more than its alias belongs to the command of the alias, whatever it
contains: a comment of the shell, `;;`, a here-document, or an assignment such as `scale=1000`.
"""

import re
import textwrap
from dataclasses import dataclass, field

_LINE_END = re.compile(r"\r\n|\r|\n")
_HEADER = re.compile(r"\[([^\]]*)\]\s*(.*)", re.DOTALL)
_COMMENT_PREFIXES = ("#", ";")


class AliasesSyntaxError(ValueError):
    """A line is neither a section, an alias, a comment nor part of a command."""

    def __init__(self, line: int, problem: str) -> None:
        super().__init__(problem)
        self.line = line


@dataclass(slots=True)
class Entry:
    """A `name = value` of an aliases file.

    Attributes:
        section: Section, as written.
        name: Name, in lower case.
        line: Number of the line with the name.
        comment: Text of the comment directly above, in one line.
    """

    section: str
    name: str
    line: int
    comment: str
    _first_line: str
    _indented_lines: list[str] = field(default_factory=list)

    @property
    def value(self) -> str:
        """The value, without the indentation that its lines have in common."""
        indented_text = textwrap.dedent("\n".join(self._indented_lines))
        return f"{self._first_line}\n{indented_text}".strip()

    def append_line(self, line: str) -> None:
        """Append a line to the value."""
        self._indented_lines.append(line.rstrip())


@dataclass(frozen=True, slots=True)
class Section:
    """A section with its name as written, the number of its line, and its entries by name."""

    name: str
    line: int
    entries: dict[str, Entry] = field(default_factory=dict)


def parse_sections(text: str) -> list[Section]:
    """Parse the text of an aliases file. Raise AliasesSyntaxError."""
    parser = _Parser()
    for number, line in enumerate(_LINE_END.split(text), start=1):
        parser.add_line(number, line)
    return list(parser.sections.values())


class _Parser:
    """State between two lines."""

    def __init__(self) -> None:
        self.sections: dict[str, Section] = {}
        self._section: Section | None = None
        self._entry: Entry | None = None
        self._entry_indentation = 0
        self._comment: list[str] = []

    def add_line(self, number: int, line: str) -> None:
        stripped = line.strip()
        indentation = len(line) - len(line.lstrip())
        if not stripped:
            self._comment.clear()
            if self._entry is not None:
                self._entry.append_line("")
        elif self._entry is not None and indentation > self._entry_indentation:
            self._comment.clear()
            self._entry.append_line(line)
        elif stripped.startswith(_COMMENT_PREFIXES):
            self._comment.append(stripped.lstrip("".join(_COMMENT_PREFIXES)).strip())
        elif stripped.startswith("["):
            self._add_section(number, indentation, stripped)
        else:
            self._add_entry(number, indentation, stripped)

    def _add_section(self, number: int, indentation: int, text: str) -> None:
        header = _HEADER.fullmatch(text)
        if header is None:
            raise AliasesSyntaxError(number, "unterminated section name: add ] after it")
        name, alias = header.groups()
        if name in self.sections:
            raise AliasesSyntaxError(
                number,
                f"[{name}] already exists, in line {self.sections[name].line}: "
                "move its aliases there",
            )
        self._section = self.sections[name] = Section(name, number)
        self._entry = None
        if alias:
            # Both may share a line: `[Stack] CPU = cat ...`.
            self._add_entry(number, indentation, alias)
        else:
            self._comment.clear()  # the comment belongs to the section

    def _add_entry(self, number: int, indentation: int, text: str) -> None:
        name, equals_sign, value = (part.strip() for part in text.partition("="))
        if self._section is None:
            raise AliasesSyntaxError(
                number, "alias before the first section: add a line such as [stack] above it"
            )
        if not equals_sign or not name:
            raise AliasesSyntaxError(
                number,
                "expected [section] or alias = command: write one of them, "
                "and indent continuation lines of a command",
            )
        name = name.lower()
        entries = self._section.entries
        if name in entries:
            raise AliasesSyntaxError(
                number,
                f"[{self._section.name}] already has {name}, in line {entries[name].line}: "
                "remove or rename an alias",
            )
        entry = Entry(self._section.name, name, number, " ".join(self._comment), value)
        self._comment.clear()
        self._entry = entries[name] = entry
        self._entry_indentation = indentation
