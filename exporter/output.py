"""Parse the output of commands."""

import math
import re
from dataclasses import dataclass
from functools import lru_cache

from prometheus_client.parser import text_string_to_metric_families

MAX_OUTPUT_BYTES = 64 * 1024
"""Maximum output of a command, in bytes."""

_MAX_SHOWN_CHARS = 60

Labels = dict[str, str]
Samples = tuple[tuple[Labels, float], ...]
"""Immutable label sets with their values; the set is empty for a plain number."""

NO_LABELS: Labels = {}

# A digit directly after a letter, a dot or a dash (`cpu0`, `v1.5`, `wlan-0`) belongs to a name. The
# characters after + and - are the dashes that typesetting uses as a minus sign.
_NUMBER = re.compile(
    r"""(?<![\w.+\-\u2010-\u2015\u2212])
    (?P<number> [+-]?
      (?: (?P<hex>0[xX][0-9a-fA-F]+)(?![0-9a-zA-Z_])
        | (?!0[xX])(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?
        | (?P<word>nan|inf(?:inity)?)\b ))""",
    re.VERBOSE | re.IGNORECASE,
)
# A number and the rest of its word, for example `48.3'C`.
_READING = re.compile(rf"{_NUMBER.pattern}(?P<rest>\S*)", re.VERBOSE | re.IGNORECASE)
# The name before a number, for example `frequency(48)=` or `temp = `.
_NAME_BEFORE_NUMBER = re.compile(r"(?<!\S)[^\s=]+[ \t]*=[ \t]*(?=[+-]?\.?[0-9])")
_LABEL_NAME = re.compile(r"(?!__)[a-zA-Z_][a-zA-Z0-9_]*")
_LABELLED = re.compile(r"(?P<labels>\{.*\})[ \t]+(?P<value>\S+)")


@dataclass(frozen=True, slots=True)
class CommandResult:
    """Output of a command and its duration.

    If `error` is not None, it describes the failure in one line, and the output is invalid.
    """

    output: bytes
    error: str | None
    seconds: float


class OutputError(ValueError):
    """The output is not a valid value. The text is the reason."""


def samples_from(result: CommandResult) -> Samples:
    """Return the samples of a command. Raise OutputError."""
    if result.error is not None:
        raise OutputError(result.error)
    return parse(result.output)


def parse(output: bytes) -> Samples:
    """Parse one number, or lines `{label="value"} number`. Raise OutputError.

    One invalid line invalidates the output, because a partial result would look complete.
    """
    try:
        text = output.decode()
    except UnicodeDecodeError:
        raise OutputError("output is not UTF-8 text") from None
    if "\0" in text:
        raise OutputError("output is binary")
    if text.lstrip().startswith("{"):
        return _parse_labeled_lines(text)
    return ((NO_LABELS, single_number(text)),)


def single_number(text: str) -> float:
    """Return the only number in a text, decimal or hexadecimal.

    Digits in the name before `=` are not a number: `volt(24)=5.12V` is 5.12.

    Raises:
        OutputError: If the text contains no number, or can be read as more than one number.
    """
    readings = list(_READING.finditer(_NAME_BEFORE_NUMBER.sub(" ", text)))
    if not readings:
        raise OutputError("no number in the output" if text.strip() else "no output")
    values = [_finite_value(reading) for reading in readings]
    for reading in readings:
        _reject_second_number(reading)
    if len(values) > 1:
        first, second = (_truncate(reading[0]) for reading in readings[:2])
        raise OutputError(
            f"more than one number: {first} and {second}: print one number, or lines with labels"
        )
    return values[0]


def _reject_second_number(reading: re.Match[str]) -> None:
    """Raise OutputError if digits follow the number in the same word, as in `48,3` and `12:30`."""
    rest = reading["rest"]
    if not any(map(str.isdecimal, rest)):
        return
    if rest.startswith(","):
        raise OutputError(
            f"a comma in the number: {_truncate(reading[0])}: print a decimal point instead"
        )
    raise OutputError(f"more than one number in {_truncate(reading[0])}")


def _finite_value(match: re.Match[str]) -> float:
    text = match["number"]
    try:
        value = float(int(text, 16)) if match["hex"] else float(text)
    except OverflowError:
        value = math.inf
    if not math.isfinite(value):
        raise OutputError(f"not a finite number: {_truncate(text)}")
    return value


def _parse_labeled_lines(text: str) -> Samples:
    samples: dict[frozenset[tuple[str, str]], tuple[Labels, float]] = {}
    for line in filter(None, map(str.strip, text.split("\n"))):
        match = _LABELLED.fullmatch(line)
        if match is None:
            raise OutputError(f'expected {{label="value"}} number: {_truncate(line)}')
        labels = _parse_labels(match["labels"])
        number = _NUMBER.fullmatch(match["value"])
        if number is None:
            raise OutputError(f"no number after the labels: {_truncate(line)}")
        identity = frozenset(labels.items())
        if identity in samples:
            raise OutputError(f"duplicate labels: {_truncate(line)}")
        samples[identity] = (labels, _finite_value(number))
    return tuple(samples.values())


@lru_cache(maxsize=1024)
def _parse_labels(text: str) -> Labels:
    # prometheus_client parses whole samples only. The value at the end of the line also shows that
    # the closing brace is not part of a label value.
    try:
        [family] = text_string_to_metric_families(f"x{text} 0")
        [sample] = family.samples
    except (ValueError, IndexError):
        raise OutputError(f"invalid labels: {_truncate(text)}") from None
    if sample.timestamp is not None or not all(map(_LABEL_NAME.fullmatch, sample.labels)):
        raise OutputError(f"invalid labels: {_truncate(text)}")
    return sample.labels


def _truncate(text: str) -> str:
    return repr(text if len(text) <= _MAX_SHOWN_CHARS else text[: _MAX_SHOWN_CHARS - 1] + "…")
