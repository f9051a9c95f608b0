"""Headers that logging programs write before the messages of dhcpd.

Supported are RFC 3164 and RFC 5424 with their usual variants: rsyslog, syslog-ng, BusyBox,
OpenWrt's logread, journalctl, and `dhcpd -d` with or without a time. A message can contain text
from a client or, in the line of another program, from any stranger. Each pattern therefore matches
from the start of the line and accepts the name `dhcpd` only in the position of the program name.
"""

import re
from dataclasses import dataclass

_PRIORITY = r"(?:<[0-9]{1,3}>)?"
_CLOCK_TIME = r"[0-9]{2}:[0-9]{2}:[0-9]{2}(?:[.,][0-9]+)?"
_YEAR = r"[0-9]{4}"
_DATE_AND_TIME = (
    r"(?:[A-Z][a-z]{2} )?"  # day of the week
    rf"(?:(?:{_YEAR} )?[A-Z][a-z]{{2}} {{1,2}}[0-9]{{1,2}} (?:{_YEAR} )?{_CLOCK_TIME}(?: {_YEAR})?"
    rf"|{_YEAR}[-/][0-9]{{2}}[-/][0-9]{{2}}[T ]{_CLOCK_TIME})"
    r"(?:Z| ?[+-][0-9]{2}:?[0-9]{2}| [A-Z]{2,5})?"
)
_TIMESTAMP = rf"(?:{_DATE_AND_TIME}|[0-9]{{9,10}}\.[0-9]+|\[ *[0-9]+\.[0-9]+\])"
# The host name, and the facility in the form daemon.info or <daemon.info>. A word that ends with a
# colon is the name of another program.
_WORD = r"[^\s:(\[][^\s(]*(?<!:)"
_STRUCTURED_DATA = r"(?:-|(?:\[(?:[^\]\\\n]|\\.)*\])+)"

_HEADERS = (
    re.compile(  # RFC 5424
        rf"{_PRIORITY}(?:[0-9] )?(?:-|{_TIMESTAMP}) \S+ dhcpd \S+ \S+ {_STRUCTURED_DATA}"
        r" \ufeff? *(?P<text>.*)"
    ),
    re.compile(  # RFC 3164
        rf"{_PRIORITY}(?:{_TIMESTAMP} (?:{_WORD} ){{0,2}})?dhcpd(?:\[[0-9]+\])?: *(?P<text>.*)"
    ),
)
_NO_HEADER = re.compile(rf"(?:{_TIMESTAMP} )?(?P<text>.*)")
_REPEATED = re.compile(r"message repeated [0-9]+ times: \[ *(?P<text>.*)\]")


@dataclass(frozen=True, slots=True)
class LogMessage:
    """A message of a log line.

    Args:
        text: The message without the header.
        has_header: Whether the header names dhcpd. Otherwise, the message may be of any program.
        is_repeated: Whether a logging program summarized repetitions of an earlier message. Such a
            line can be late, because it is written before the next different message.
    """

    text: str
    has_header: bool
    is_repeated: bool = False


def split_header(line: str) -> LogMessage | None:
    """Return the message of a log line, or None if the line contains a line break."""
    line = line.rstrip("\r\n")
    match = next(filter(None, (header.fullmatch(line) for header in _HEADERS)), None)
    if match is None:
        bare = _NO_HEADER.fullmatch(line)
        return LogMessage(bare["text"], has_header=False) if bare else None
    if repeated := _REPEATED.fullmatch(match["text"]):
        return LogMessage(repeated["text"], has_header=True, is_repeated=True)
    return LogMessage(match["text"], has_header=True)
