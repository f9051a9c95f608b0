"""Describe errors in a file of settings: the key, the problem and a fix."""

import re
from dataclasses import dataclass
from difflib import get_close_matches
from typing import get_origin

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from rack.settings import Settings, table_of

_MAX_SHOWN_CHARS = 60
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]{1,60}")


@dataclass(frozen=True, slots=True)
class SettingsError:
    """An error of a key.

    Attributes:
        key: The key with indexes from 1: `stacks[3].pin` is the pin of the third stack.
            Empty if the error is one of several keys.
        problem: What is wrong.
        hint: How to correct it.
    """

    key: str
    problem: str
    hint: str


def first_error(error: ValidationError, root: type[Settings]) -> SettingsError:
    """Return the error to report first.

    Args:
        error: Errors from pydantic.
        root: Model of the whole file.
    """
    # Report unknown keys first, because an unknown key is often a misspelled missing key.
    details = min(error.errors(), key=lambda detail: detail["type"] != "extra_forbidden")
    if not details["loc"]:  # from a validator of the whole model, with its own fix
        problem, _, hint = details["msg"].removeprefix("Value error, ").partition(": ")
        return SettingsError("", problem, hint)
    problem, hint = _problem_and_hint(details, root)
    return SettingsError(_format_key(details["loc"]), problem, hint)


def _problem_and_hint(details: ErrorDetails, root: type[Settings]) -> tuple[str, str]:
    table, key = _table_and_key(details["loc"], root)
    fields = table.model_fields
    if details["type"] == "extra_forbidden":
        similar = get_close_matches(key, fields, n=1)
        return "unknown key", f"did you mean {similar[0]!r}?" if similar else (
            f"remove it (known keys here: {', '.join(fields)})"
        )
    verb = "add" if table_of(table, key) else "set it to"
    hint = f"{verb} {(fields[key].description or f'a table [{key}]').replace('`', '')}"
    if details["type"] == "missing":
        return "missing", hint
    reason = details["msg"].replace("tuple", "list").removeprefix("Value error, ")
    reason = reason[:1].lower() + reason[1:]  # a pattern or a name in the reason keeps its case
    return f"{_truncate(details['input'])} is not valid ({reason})", hint


def _truncate(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _MAX_SHOWN_CHARS else f"{text[: _MAX_SHOWN_CHARS - 3]}..."


def _table_and_key(
    location: tuple[int | str, ...], root: type[Settings]
) -> tuple[type[Settings], str]:
    """Return the table and the key that a location from pydantic points to."""
    keys = [part for part in location if isinstance(part, str)]
    table, key = root, keys.pop(0)
    while keys and (nested := table_of(table, key)) is not None:
        if get_origin(table.model_fields[key].annotation) is dict:
            keys.pop(0)  # a name that users choose
        if keys:
            table, key = nested, keys.pop(0)
    return table, key


def _format_key(location: tuple[int | str, ...]) -> str:
    """Format a key with indexes from 1, so that `stacks[3].pin` is the pin of the third stack."""
    key = ""
    for part in location:
        if isinstance(part, int):
            key += f"[{part + 1}]"
        else:
            name = part if _BARE_KEY.fullmatch(part) else _truncate(part)
            key += f".{name}" if key else name
    return key
