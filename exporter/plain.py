"""Which commands may share a shell: those that only read, compute and print, by builtins.

A plain command starts no process, changes no file, cannot end or reconfigure its shell, and
sets no variable but the ones that are told here, so that they can be unset behind it. What is not
understood is not plain: the price of a doubt is a process, not a wrong value.
"""

import re
from collections.abc import Iterator

_TERM = r"(?:[\w\s+*/%<>=&|^~!?:-]|\$[A-Za-z_]\w*)"
_ARITHMETIC = rf"\$\(\((?:{_TERM}|\({_TERM}*\))*\)\)"
_EXPANSION = (
    r"\$(?:[A-Za-z_]\w*|[?#]"
    r"|\{\#?[A-Za-z_]\w*\}"
    r"|\{[A-Za-z_]\w*(?:[%#]{1,2}|:?[-+])[\w.,:/*?\[\] -]*\})"
)
_TOKEN = re.compile(
    rf"""
      (?P<space>   (?:[ \t]|\\\n)+ )
    | (?P<quiet>   2>[ ]?/dev/null (?![^\s;&|)]) )
    | (?P<word>    (?: [\w./,:=%+@^*?!\[\]-] | '[^']*'
                     | "(?:[^"\\$`]|\\[\s\S]|{_EXPANSION}|{_ARITHMETIC})*"
                     | {_EXPANSION} | {_ARITHMETIC} )+ )
    | (?P<operator> && | \|\| | ;; | [;\n|)<] )
    """,
    re.VERBOSE | re.ASCII,
)
# `=`, `+=`, `<<=`, `++`: what changes a variable inside of `$(( ))`.
_CHANGE = re.compile(r"(?<![<>=!])=(?!=)|<<=|>>=|\+\+|--")
_ASSIGNMENT = re.compile(r"([A-Za-z_]\w*)=", re.ASCII)
# Upper case is the environment's and the shell's own: PATH, IFS, ROOT.
_VARIABLE = re.compile(r"[a-z_][a-z0-9_]*")

_BUILTINS = {"echo", "printf", "read", "test", "[", "true", "false", "break", "continue"}
_BEFORE_COMMAND = {"if", "then", "elif", "else", "while", "until", "do", "!"}
_AFTER_COMMAND = {"fi", "done", "esac"}
_ENDS = {";", "\n", "&&", "||"}


class _NotPlainError(Exception):
    pass


def variables(command: str) -> frozenset[str] | None:
    """Return the names of the variables that a plain command sets, or None if it is not plain."""
    try:
        return frozenset(_commands(_tokens(command)))
    except _NotPlainError:
        return None


def _tokens(command: str) -> Iterator[tuple[str, str]]:
    position = 0
    while position < len(command):
        match = _TOKEN.match(command, position)
        if match is None:
            raise _NotPlainError
        position = match.end()
        if any(map(_CHANGE.search, re.findall(_ARITHMETIC, match[0]))):
            raise _NotPlainError
        if match.lastgroup not in {"space", "quiet"}:
            yield str(match.lastgroup), match[0]
    yield "operator", "\n"


def _commands(tokens: Iterator[tuple[str, str]]) -> Iterator[str]:
    """Walk over commands; yield the variables they set."""
    for kind, text in tokens:
        if kind == "operator":
            if text == ";;":
                _pattern(tokens)
            elif text not in _ENDS:
                raise _NotPlainError
        elif text in _BEFORE_COMMAND:
            continue
        elif text == "case":
            _word(tokens)
            _expect(tokens, "in")
            _pattern(tokens)
        elif text == "for":
            yield _variable(_word(tokens))
            _expect(tokens, "in")
            yield from _arguments("for", tokens)
        elif assignment := _ASSIGNMENT.match(text):
            yield _variable(assignment[1])
        elif text in _BUILTINS | _AFTER_COMMAND:
            yield from _arguments(text, tokens)
        else:
            raise _NotPlainError


def _arguments(command: str, tokens: Iterator[tuple[str, str]]) -> Iterator[str]:
    """Walk to the command's end, over its words and `< file`; yield what `read` sets."""
    is_first = True
    for kind, text in tokens:
        if text == "<" and kind == "operator":
            _word(tokens)
        elif kind == "operator":
            if text == ";;":
                _pattern(tokens)
            elif text not in _ENDS:
                raise _NotPlainError
            return
        elif command in _AFTER_COMMAND:
            raise _NotPlainError
        elif command == "read" and not (is_first and text == "-r"):
            yield _variable(text)
        elif command == "printf" and is_first and text.startswith("-"):
            raise _NotPlainError
        is_first = False


def _pattern(tokens: Iterator[tuple[str, str]]) -> None:
    """Walk over a pattern of `case` up to its `)`, or over `esac`."""
    kind, text = next(tokens, ("end", ""))
    while text == "\n":
        kind, text = next(tokens, ("end", ""))
    if text == "esac":
        for _ in _arguments("esac", tokens):
            raise _NotPlainError
        return
    while kind == "word":
        kind, text = next(tokens, ("end", ""))
        if text == ")":
            return
        if text != "|":
            break
        kind, text = next(tokens, ("end", ""))
    raise _NotPlainError


def _word(tokens: Iterator[tuple[str, str]]) -> str:
    kind, text = next(tokens, ("end", ""))
    if kind != "word":
        raise _NotPlainError
    return text


def _expect(tokens: Iterator[tuple[str, str]], word: str) -> None:
    if _word(tokens) != word:
        raise _NotPlainError


def _variable(name: str) -> str:
    if not _VARIABLE.fullmatch(name):
        raise _NotPlainError
    return name
