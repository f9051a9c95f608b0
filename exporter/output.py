"""What a command has printed, as numbers."""

import math
import re
from dataclasses import dataclass
from functools import lru_cache

from prometheus_client.parser import text_string_to_metric_families

MAX_OUTPUT_BYTES = 64 * 1024
"""Bytes that a command may print."""

_MAX_SHOWN_CHARS = 60

Labels = dict[str, str]
Samples = tuple[tuple[Labels, float], ...]
"""Label sets, not to be changed, with their values; a plain number has the empty label set."""

NO_LABELS: Labels = {}

# A digit glued behind a word or a dot (`cpu0`, `v1.5`) begins no number.
_NUMBER = re.compile(
    r"""(?<![\w.])[+-]?
    (?: (?P<hex>0[xX][0-9a-fA-F]+)
      | (?P<decimal>(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?)
      | (?P<word>nan|inf(?:inity)?)\b )""",
    re.VERBOSE | re.ASCII | re.IGNORECASE,
)
_LABEL_NAME = re.compile(r"(?!__)[a-zA-Z_][a-zA-Z0-9_]*")
_LABELLED = re.compile(r"(?P<labels>\{.*\})[ \t]+(?P<value>\S+)")


@dataclass(frozen=True, slots=True)
class CommandResult:
    """What a command has printed and the seconds it took.

    `error` is None if it worked; else it says in a line why not, and the output is not to be used.
    """

    output: bytes
    error: str | None
    seconds: float


class OutputError(ValueError):
    """Output that is no value; its text says why."""


def samples_from(result: CommandResult) -> Samples:
    """Return the samples of a command that worked. Raises OutputError."""
    if result.error is not None:
        raise OutputError(result.error)
    return parse(result.output)


def parse(output: bytes) -> Samples:
    """Return the samples in a command's output: one number, or lines `{label="value"} number`.

    Raises OutputError for anything else. One bad line condemns all of them: half a result would
    look like a whole one.
    """
    try:
        text = output.decode()
    except UnicodeDecodeError:
        raise OutputError("output is not UTF-8 text") from None
    if "\0" in text:
        raise OutputError("output is binary")
    if text.lstrip().startswith("{"):
        return _parse_labelled_lines(text)
    return ((NO_LABELS, first_number(text)),)


def first_number(text: str) -> float:
    """Return the first number in `text`, decimal or hexadecimal. Raises OutputError."""
    match = _NUMBER.search(text)
    if match is None:
        raise OutputError("no number in the output" if text.strip() else "no output")
    return _finite_value(match)


def _finite_value(match: re.Match[str]) -> float:
    try:
        value = float(int(match[0], 16)) if match["hex"] else float(match[0])
    except OverflowError:
        value = math.inf
    if not math.isfinite(value):
        raise OutputError(f"not a finite number: {_truncate(match[0])}")
    return value


def _parse_labelled_lines(text: str) -> Samples:
    samples: dict[frozenset[tuple[str, str]], tuple[Labels, float]] = {}
    for line in filter(None, map(str.strip, text.split("\n"))):
        match = _LABELLED.fullmatch(line)
        if match is None:
            raise OutputError(f'not {{label="value"}} number: {_truncate(line)}')
        labels = _parse_labels(match["labels"])
        number = _NUMBER.fullmatch(match["value"])
        if number is None:
            raise OutputError(f"no number behind the labels: {_truncate(line)}")
        identity = frozenset(labels.items())
        if identity in samples:
            raise OutputError(f"the same labels twice: {_truncate(line)}")
        samples[identity] = (labels, _finite_value(number))
    return tuple(samples.values())


@lru_cache(maxsize=1024)
def _parse_labels(text: str) -> Labels:
    # The library's parser reads whole samples, and a value that ends the line shows that the
    # braces close where they seem to.
    try:
        [family] = text_string_to_metric_families(f"x{text} 0")
        [sample] = family.samples
    except (ValueError, IndexError):
        raise OutputError(f"bad labels: {_truncate(text)}") from None
    if sample.timestamp is not None or not all(map(_LABEL_NAME.fullmatch, sample.labels)):
        raise OutputError(f"bad labels: {_truncate(text)}")
    return sample.labels


def _truncate(text: str) -> str:
    return repr(text if len(text) <= _MAX_SHOWN_CHARS else text[: _MAX_SHOWN_CHARS - 1] + "…")
