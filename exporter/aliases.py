"""Load and validate an aliases file with `[section]` and `alias = shell command` lines.

Each error is one line, `FILE:LINE: problem: fix`.
"""

import configparser
import math
import pkgutil
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from exporter import native

DEFAULT_PATH = Path(__file__).with_name("aliases.ini")

ACTIONS_SECTION = "actions"
"""Section of the actions, which a scrape never runs."""

METRIC_PREFIX = "pirack_"

SELF_METRICS = {
    "pirack_up": "1 if every alias of this scrape succeeded.",
    "pirack_alias_success": "1 if the alias succeeded in this scrape, 0 if it failed.",
    "pirack_alias_duration_seconds": "Duration of the alias in this scrape.",
    "pirack_config_last_reload_successful": "1 if the last reload of the aliases file succeeded.",
    "pirack_exporter_info": "Version of the exporter.",
}
"""Metrics of the exporter itself. Aliases cannot have these names."""

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_HEADER = re.compile(r"\[([^\]]*)\]\s*(.*)", re.DOTALL)
_COMMENT_PREFIXES = ("#", ";")
_CONTROL_CHARACTER = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
# Matches a whole word, also after a path and as a systemd unit, but not `reboot-required`.
_SHUTDOWN_KEYWORD = re.compile(
    r"(?<![\w.])(reboot|shutdown|poweroff|halt)(?![\w-])(?!\.(?!target\b|service\b)\w)"
)


class AliasesError(ValueError):
    """The aliases file is invalid. The text is one line, `FILE:LINE: problem: fix`."""

    def __init__(self, path: Path, line: int | None, problem: str) -> None:
        location = f"{path}:{line}" if line else f"{path}"
        super().__init__(f"{location}: {problem}")


@dataclass(frozen=True, eq=False)
class Alias:
    """A named shell command.

    Attributes:
        section: Section of the file, in lower case.
        name: Name in the section.
        command: Shell command.
        timeout: Seconds, or None for the default.
        line: Line in the file.
        help: Help text of the metric, one line.
    """

    section: str
    name: str
    command: str
    timeout: float | None
    line: int
    help: str

    @cached_property
    def label(self) -> str:
        """Metric name without `pirack_`, the value of the label `alias`."""
        return f"{self.section}_{self.name}"

    @cached_property
    def metric(self) -> str:
        """Metric name."""
        return METRIC_PREFIX + self.label

    @cached_property
    def is_counter(self) -> bool:
        """Whether the name of the metric is that of a counter."""
        return self.metric.endswith("_total")

    @cached_property
    def family(self) -> str:
        """Name of the OpenMetrics metric family, without `_total`."""
        return self.metric.removesuffix("_total")


@dataclass(frozen=True, slots=True)
class Aliases:
    """The metrics and actions of a valid aliases file."""

    path: Path
    metrics: tuple[Alias, ...]
    actions: Mapping[str, Alias]


def load(path: Path) -> Aliases:
    """Load and validate an aliases file. Raise AliasesError."""
    try:
        data = _read(path)
    except FileNotFoundError:
        raise AliasesError(path, None, "file not found: name an existing file") from None
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise AliasesError(path, None, f"cannot be read ({reason}): name a readable file") from (
            error
        )
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise AliasesError(path, line, "not UTF-8: save the file as UTF-8") from None
    return parse(text, path)


def shutdown_keyword(command: str) -> str | None:
    """Return the first shutdown word in a command, such as `reboot`, or None."""
    match = _SHUTDOWN_KEYWORD.search(command)
    return match[1] if match else None


def _read(path: Path) -> bytes:
    # The packaged file may be in a zip archive.
    packaged = pkgutil.get_data("exporter", path.name) if path == DEFAULT_PATH else None
    return path.read_bytes() if packaged is None else packaged


def parse(text: str, path: Path) -> Aliases:
    """Parse the text of the aliases file at `path`. Raise AliasesError."""
    lines = _LineTracker(text)
    parser = configparser.RawConfigParser(
        delimiters=("=",),
        comment_prefixes=_COMMENT_PREFIXES,
        empty_lines_in_values=False,
        default_section="",
    )
    parser.optionxform = lines.record_option  # type: ignore[assignment, method-assign]
    try:
        parser.read_file(lines, str(path))
    except configparser.Error as error:
        raise AliasesError(path, *lines.describe_error(error)) from None
    return _AliasesBuilder(path, lines, parser).build()


@dataclass(slots=True)
class _LineTracker:
    """Lines for configparser, with the line numbers and comments of sections and options.

    A line can contain a header and an alias, for example `[Stack] CPU = cat ...`.
    """

    text: str
    headers: dict[str, int] = field(default_factory=dict)
    options: dict[tuple[str, str], int] = field(default_factory=dict)
    comments: dict[tuple[str, str], str] = field(default_factory=dict)
    _emitted_lines: list[int] = field(default_factory=list)
    _section: str = ""
    _comment: list[str] = field(default_factory=list)

    def __iter__(self) -> Iterator[str]:
        for number, line in enumerate(re.split(r"\r\n|\r|\n", self.text), start=1):
            stripped = line.strip()
            if stripped.startswith(_COMMENT_PREFIXES):
                self._comment.append(stripped.lstrip("".join(_COMMENT_PREFIXES)).strip())
            elif not stripped:
                self._comment.clear()
            header = _HEADER.match(line)
            if header is None:
                yield self._emit(number, line)
                continue
            self._section = header[1]
            self.headers.setdefault(self._section, number)
            yield self._emit(number, f"[{header[1]}]")
            if header[2]:
                yield self._emit(number, header[2])
            else:
                self._comment.clear()  # the comment belongs to the section

    def _emit(self, number: int, line: str) -> str:
        self._emitted_lines.append(number)
        return line

    def record_option(self, option: str) -> str:
        name = option.lower()
        self.options.setdefault((self._section, name), self._emitted_lines[-1])
        self.comments.setdefault((self._section, name), " ".join(self._comment))
        self._comment.clear()
        return name

    def describe_error(self, error: configparser.Error) -> tuple[int, str]:
        """Return the line number of a configparser error, and its problem and fix."""
        match error:
            case configparser.DuplicateOptionError(section=section, option=option):
                return self._emitted_lines[-1], (
                    f"[{section}] already has {option}, in line "
                    f"{self.options[section, option]}: remove or rename an alias"
                )
            case configparser.DuplicateSectionError(section=section):
                return self._emitted_lines[-1], (
                    f"[{section}] already exists, in line {self.headers[section]}: "
                    "move its aliases there"
                )
            case configparser.MissingSectionHeaderError(line=line) if line.startswith("["):
                return self._emitted_lines[-1], "unterminated section name: add ] after it"
            case configparser.MissingSectionHeaderError():
                return self._emitted_lines[-1], (
                    "alias before the first section: add a line such as [stack] above it"
                )
            case configparser.ParsingError(errors=[(lineno, _), *_]):
                return self._emitted_lines[lineno - 1], (
                    "expected [section] or alias = command: write one of them, "
                    "and indent continuation lines of a command"
                )
        return self._emitted_lines[-1], " ".join(str(error).split())


@dataclass(slots=True)
class _AliasesBuilder:
    """Builds `Aliases` from the output of configparser."""

    path: Path
    lines: _LineTracker
    parser: configparser.RawConfigParser

    def build(self) -> Aliases:
        sections = self.parser.sections()
        aliases = [alias for section in sections for alias in self._parse_section(section)]
        if not aliases:
            raise AliasesError(
                self.path, None, "no aliases: add one, for example [stack] and below it a = echo 1"
            )
        metrics = tuple(alias for alias in aliases if alias.section != ACTIONS_SECTION)
        self._reject_duplicates(metrics)
        actions = {alias.name: alias for alias in aliases if alias.section == ACTIONS_SECTION}
        return Aliases(self.path, metrics, actions)

    def _parse_section(self, section: str) -> Iterator[Alias]:
        if not _NAME.fullmatch(section):
            raise AliasesError(
                self.path,
                self.lines.headers[section],
                f"[{section}] is not a valid section name: use letters, digits and _",
            )
        options = dict(self.parser.items(section))
        for name, value in options.items():
            command = value.strip()
            alias, dot, setting = name.partition(".")
            if not dot:
                timeout = self._parse_timeout(section, name, options.get(f"{name}.timeout"))
                yield self._parse_alias(section, name, command, timeout)
            elif setting != "timeout" or alias not in options:
                raise self._error(
                    section,
                    name,
                    f"{name} has no alias in this section: write ALIAS.timeout = SECONDS",
                )

    def _parse_alias(self, section: str, name: str, command: str, timeout: float | None) -> Alias:
        if not _NAME.fullmatch(name):
            raise self._error(
                section, name, f"{name!r} is not a valid alias name: use letters, digits and _"
            )
        if not command:
            raise self._error(section, name, f"{name} has no command: add a command after the =")
        if control := _CONTROL_CHARACTER.search(command):
            raise self._error(
                section, name, f"{name} contains the control character {control[0]!r}: remove it"
            )
        if section.lower() != ACTIONS_SECTION:
            self._reject_shutdown(section, name, command)
            try:
                native.parse(command)
            except ValueError as error:
                raise self._error(section, name, str(error)) from None
        line = self.lines.options[section, name]
        help_ = self.lines.comments[section, name] or " ".join(command.split())
        return Alias(section.lower(), name, command, timeout, line, help_)

    def _reject_shutdown(self, section: str, name: str, command: str) -> None:
        if keyword := shutdown_keyword(command):
            raise self._error(
                section,
                name,
                f"{name} would run {keyword} at each scrape: move it to [{ACTIONS_SECTION}]",
            )

    def _parse_timeout(self, section: str, name: str, text: str | None) -> float | None:
        if text is None:
            return None
        try:
            seconds = float(text)
        except ValueError:
            seconds = math.nan
        if not 0 < seconds < math.inf:
            raise self._error(
                section,
                f"{name}.timeout",
                f"{text!r} is not a valid timeout: write seconds, for example 2.5",
            )
        return seconds

    def _reject_duplicates(self, metrics: tuple[Alias, ...]) -> None:
        own = {name.removesuffix("_total") for name in SELF_METRICS}
        seen: dict[str, Alias] = {}
        for alias in metrics:
            if alias.family in own:
                raise AliasesError(
                    self.path,
                    alias.line,
                    f"{alias.metric} is a metric of the exporter itself: rename the alias",
                )
            first = seen.setdefault(alias.family, alias)
            if first is not alias:
                raise AliasesError(
                    self.path,
                    alias.line,
                    f"{alias.metric} is already used by {first.metric} in line {first.line}: "
                    "rename one of them",
                )

    def _error(self, section: str, option: str, problem: str) -> AliasesError:
        return AliasesError(self.path, self.lines.options[section, option], problem)
