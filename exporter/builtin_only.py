"""Detect shell commands that may run in the shared shell.

A builtin-only command starts no process, changes no file, and cannot exit or reconfigure its shell.
It sets only the variables that `assigned_variables` returns, which are unset afterwards. An
unrecognized command runs in its own process, which is slower but always correct.
"""

import re
from collections.abc import Iterator
from functools import lru_cache

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
    | (?P<comment> (?<![^\s;]) (?<!\\\n) \#[^\n]* )
    | (?P<quiet>   2>[ ]?/dev/null (?![^\s;&|)]) )
    | (?P<word>    (?: [\w./,:=%+@^*?!\[\]-] | '[^']*'
                     | "(?:[^"\\$`]|\\[\s\S]|{_EXPANSION}|{_ARITHMETIC})*"
                     | {_EXPANSION} | {_ARITHMETIC} )+ )
    | (?P<operator> && | \|\| | ;; | [;\n|)<] )
    """,
    re.VERBOSE | re.ASCII,
)
# `=`, `+=`, `<<=` and `++` assign variables inside `$(( ))`.
_ARITHMETIC_ASSIGNMENT = re.compile(r"(?<![<>=!])=(?!=)|<<=|>>=|\+\+|--")
_ASSIGNMENT = re.compile(r"([A-Za-z_]\w*)=", re.ASCII)
# Upper-case variables belong to the environment and the shell: PATH, IFS, ROOT.
_VARIABLE = re.compile(r"[a-z_][a-z0-9_]*")

_BUILTINS = {"echo", "printf", "read", "test", "[", "true", "false", "break", "continue"}
_BEFORE_COMMAND = {"if", "then", "elif", "else", "while", "until", "do", "!"}
_AFTER_COMMAND = {"fi", "done", "esac"}
_COMMAND_SEPARATORS = {";", "\n", "&&", "||"}


class _UnsupportedError(Exception):
    pass


@lru_cache  # the rasps of a virtual rack have the same commands
def assigned_variables(command: str) -> frozenset[str] | None:
    """Return the variables that a builtin-only command sets, or None for other commands."""
    try:
        return frozenset(_walk_commands(_tokens(command)))
    except _UnsupportedError:
        return None


def _tokens(command: str) -> Iterator[tuple[str, str]]:
    position = 0
    while position < len(command):
        match = _TOKEN.match(command, position)
        if match is None:
            raise _UnsupportedError
        position = match.end()
        if any(map(_ARITHMETIC_ASSIGNMENT.search, re.findall(_ARITHMETIC, match[0]))):
            raise _UnsupportedError
        if match.lastgroup not in {"space", "comment", "quiet"}:
            yield str(match.lastgroup), match[0]
    yield "operator", "\n"


def _walk_commands(tokens: Iterator[tuple[str, str]]) -> Iterator[str]:
    """Walk over commands and yield the variables that they set."""
    for kind, text in tokens:
        if kind == "operator":
            if text == ";;":
                _walk_case_pattern(tokens)
            elif text not in _COMMAND_SEPARATORS:
                raise _UnsupportedError
        elif text in _BEFORE_COMMAND:
            continue
        elif text == "case":
            _next_word(tokens)
            _expect(tokens, "in")
            _walk_case_pattern(tokens)
        elif text == "for":
            yield _check_variable(_next_word(tokens))
            _expect(tokens, "in")
            yield from _walk_arguments("for", tokens)
        elif assignment := _ASSIGNMENT.match(text):
            yield _check_variable(assignment[1])
        elif text in _BUILTINS | _AFTER_COMMAND:
            yield from _walk_arguments(text, tokens)
        else:
            raise _UnsupportedError


def _walk_arguments(command: str, tokens: Iterator[tuple[str, str]]) -> Iterator[str]:
    """Walk to the end of a command and yield the variables that `read` sets."""
    is_first = True
    for kind, text in tokens:
        if text == "<" and kind == "operator":
            _next_word(tokens)
        elif kind == "operator":
            if text == ";;":
                _walk_case_pattern(tokens)
            elif text not in _COMMAND_SEPARATORS:
                raise _UnsupportedError
            return
        elif command in _AFTER_COMMAND:
            raise _UnsupportedError
        elif command == "read" and not (is_first and text == "-r"):
            yield _check_variable(text)
        elif command == "printf" and is_first and text.startswith("-"):
            raise _UnsupportedError
        is_first = False


def _walk_case_pattern(tokens: Iterator[tuple[str, str]]) -> None:
    """Walk over a pattern of `case` through its `)`, or over `esac`."""
    kind, text = next(tokens, ("end", ""))
    while text == "\n":
        kind, text = next(tokens, ("end", ""))
    if text == "esac":
        for _ in _walk_arguments("esac", tokens):
            raise _UnsupportedError
        return
    while kind == "word":
        kind, text = next(tokens, ("end", ""))
        if text == ")":
            return
        if text != "|":
            break
        kind, text = next(tokens, ("end", ""))
    raise _UnsupportedError


def _next_word(tokens: Iterator[tuple[str, str]]) -> str:
    kind, text = next(tokens, ("end", ""))
    if kind != "word":
        raise _UnsupportedError
    return text


def _expect(tokens: Iterator[tuple[str, str]], word: str) -> None:
    if _next_word(tokens) != word:
        raise _UnsupportedError


def _check_variable(name: str) -> str:
    if not _VARIABLE.fullmatch(name):
        raise _UnsupportedError
    return name
