"""Split shell text into its simple commands, to find out which programs the text runs.

This is not a shell: it expands no variables and no patterns. The commands inside `$( )`, `` ` ` ``
and `( )` are simple commands too. Patterns of `case`, comments and here-documents are not.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

_TOKEN = re.compile(
    r"""
      (?P<space>    (?:[ \t]|\\\n)+ )
    | (?P<comment>  (?<![^\s;&|()`])\#[^\n]* )
    | (?P<document> <<(?P<strips_tabs>-?)[ \t]*
                    (?P<delimiter> (?: '[^']*' | "[^"]*" | \\. | [^\s;&|()<>] )+ ) )
    | (?P<redirect> \d*(?:>>|>&|<&|<>|>\||&>|[<>])[ \t]* )
    | (?P<arithmetic> \$\(\( (?: [^()] | \( (?: [^()] | \([^()]*\) )* \) )* \)\) )
    | (?P<open>     \$?\( )
    | (?P<operator> ;;&? | ;& | && | \|\| | [;&|\n)`] )
    | (?P<word>     (?: '[^']*'? | "(?:[^"\\]|\\.)*"? | \\. | \\$
                      | \$(?!\() | [^\s;&|()<>`'"\\$] )+ )
    """,
    re.VERBOSE | re.DOTALL,
)
_QUOTED = re.compile(r"""'([^']*)'?|"((?:[^"\\]|\\.)*)"?|\\(.)""", re.DOTALL)
_SUBSTITUTION = re.compile(r"\$\(|`")
_RESERVED_WORDS = frozenset(
    {"if", "then", "elif", "else", "fi", "while", "until", "do", "done", "!", "{", "}"}
)
_UNKNOWN_WORD = "$()"
"""Stands for the output of a substitution."""


def simple_commands(text: str) -> Iterator[list[str]]:
    """Yield the words of each simple command, without quotes and redirections."""
    return _Splitter(text).split()


@dataclass(slots=True)
class _Level:
    """The text, a substitution or a subshell, with the words of its current command.

    `end` ends the level: `)`, a backtick, or nothing for the text.
    """

    end: str
    is_substitution: bool = False
    words: list[str] = field(default_factory=list)
    cases: int = 0
    is_pattern: bool = False
    is_redirected: bool = False

    @property
    def expects_pattern(self) -> bool:
        """Whether the pattern of a `case` is next."""
        return self.is_pattern or self.words[:1] == ["case"]

    def add_word(self, word: str) -> None:
        if self.is_redirected:
            self.is_redirected = False  # the file of a redirection
        elif self.words or word not in _RESERVED_WORDS:
            self.words.append(_without_quotes(word))

    def end_command(self, operator: str) -> Iterator[list[str]]:
        """Yield the words before an operator, unless they belong to a `case`."""
        words, self.words, self.is_redirected = self.words, [], False
        if words[:1] == ["esac"] and self.cases:
            self.cases -= 1
            self.is_pattern = False
            return
        if words[:1] == ["case"]:
            self.cases += 1
            self.is_pattern = operator != ")"  # `case x in a)` ends the pattern
            return
        if self.is_pattern and operator in {")", "|", "\n"}:
            self.is_pattern = operator != ")"
            return
        self.is_pattern = self.cases > 0 and operator.startswith(";;")
        if words:
            yield words


class _Splitter:
    def __init__(self, text: str) -> None:
        self._text = text
        self._position = 0
        self._levels = [_Level("")]
        self._documents: list[tuple[str, bool]] = []

    def split(self) -> Iterator[list[str]]:
        while match := _TOKEN.match(self._text, self._position):
            self._position = match.end()
            level = self._levels[-1]
            match match.lastgroup:
                case "delimiter" | "document":
                    delimiter = _without_quotes(match["delimiter"])
                    self._documents.append((delimiter, bool(match["strips_tabs"])))
                case "redirect":
                    level.is_redirected = True
                case "arithmetic":
                    yield from _substituted_commands(match[0].removeprefix("$(("))
                    level.add_word(_UNKNOWN_WORD)
                case "word":
                    yield from _quoted_commands(match[0])
                    level.add_word(match[0])
                case "open":
                    self._open(match[0])
                case "operator":
                    yield from self._handle_operator(match[0])
        for level in reversed(self._levels):
            yield from level.end_command("\n")

    def _open(self, parenthesis: str) -> None:
        # `case x in (a)` opens nothing.
        if not (parenthesis == "(" and self._levels[-1].expects_pattern):
            self._levels.append(_Level(")", is_substitution=parenthesis == "$("))

    def _handle_operator(self, operator: str) -> Iterator[list[str]]:
        level = self._levels[-1]
        if operator == "`" and level.end != "`":
            self._levels.append(_Level("`", is_substitution=True))
            return
        is_end = operator == level.end and not level.expects_pattern
        yield from level.end_command(operator)
        if is_end:
            self._levels.pop()
            if level.is_substitution:
                self._levels[-1].add_word(_UNKNOWN_WORD)
            else:
                self._levels[-1].words = []  # a subshell, or the `()` of a function definition
        elif operator == "\n":
            self._skip_documents()

    def _skip_documents(self) -> None:
        """Move behind the here-documents that start at the current line."""
        while self._documents:
            delimiter, strips_tabs = self._documents.pop(0)
            while self._position < len(self._text):
                end = self._text.find("\n", self._position)
                end = len(self._text) if end < 0 else end
                line = self._text[self._position : end]
                self._position = end + 1
                if (line.lstrip("\t") if strips_tabs else line) == delimiter:
                    break


def _quoted_commands(word: str) -> Iterator[list[str]]:
    """Yield the commands of the substitutions inside double quotes."""
    for _, text, _ in _QUOTED.findall(word):
        yield from _substituted_commands(text)


def _substituted_commands(text: str) -> Iterator[list[str]]:
    for match in _SUBSTITUTION.finditer(text):
        end = ")" if match[0] == "$(" else "`"
        yield from simple_commands(text[match.end() :].partition(end)[0])


def _without_quotes(word: str) -> str:
    return _QUOTED.sub(lambda match: match[1] or match[2] or match[3] or "", word)
