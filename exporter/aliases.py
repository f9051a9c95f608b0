"""Read and check an aliases file: `[section]`, then `alias = shell command`.

`parse` is pure and knows the format; `load` adds the file. Each error is one line,
`FILE:LINE: what: mend`.
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
"""The reserved section: what can be ordered, and is never run by a scrape."""

METRIC_PREFIX = "pirack_"

SELF_METRICS = {
    "pirack_up": "1 if every alias of this scrape worked.",
    "pirack_alias_success": "1 if the alias worked in this scrape, 0 if it did not.",
    "pirack_alias_duration_seconds": "How long the alias took in this scrape.",
    "pirack_config_last_reload_successful": "1 if the aliases file could be read the last time.",
    "pirack_exporter_info": "The exporter's version.",
}
"""What the exporter says of itself; no alias may take one of these names."""

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_HEADER = re.compile(r"\[([^\]]*)\]\s*(.*)", re.DOTALL)
_COMMENT_PREFIXES = ("#", ";")
_CONTROL_CHARACTER = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
# As a word of its own, also by path or as a systemd unit; `reboot-required` is another word.
_SHUTDOWN_KEYWORD = re.compile(
    r"(?<![\w.])(reboot|shutdown|poweroff|halt)(?![\w-])(?!\.(?!target\b|service\b)\w)"
)


class AliasesError(ValueError):
    """An aliases file that cannot be used; its text is one line, `FILE:LINE: what: mend`."""

    def __init__(self, path: Path, line: int | None, problem: str) -> None:
        place = f"{path}:{line}" if line else f"{path}"
        super().__init__(f"{place}: {problem}")


@dataclass(frozen=True, eq=False)
class Alias:
    """A name for a shell command.

    `timeout` is in seconds, or None for the exporter's default; `line` is where the alias stands
    in its file; `help` says in a line what it measures.
    """

    section: str
    name: str
    command: str
    timeout: float | None
    line: int
    help: str

    @cached_property
    def label(self) -> str:
        """The metric's name without `pirack_`: the value of the label `alias`."""
        return f"{self.section}_{self.name}"

    @cached_property
    def metric(self) -> str:
        """The metric's full name."""
        return METRIC_PREFIX + self.label

    @cached_property
    def is_counter(self) -> bool:
        """Whether the name says that the value only grows."""
        return self.metric.endswith("_total")

    @cached_property
    def family(self) -> str:
        """The metric's name as OpenMetrics counts names: a counter's lacks `_total`."""
        return self.metric.removesuffix("_total")


@dataclass(frozen=True, slots=True)
class Aliases:
    """A checked aliases file: what a scrape runs, and what can be ordered."""

    path: Path
    metrics: tuple[Alias, ...]
    actions: Mapping[str, Alias]


def load(path: Path) -> Aliases:
    """Read and check the aliases file at `path`. Raises AliasesError."""
    try:
        data = _read(path)
    except FileNotFoundError:
        raise AliasesError(path, None, "no such file: name one that exists") from None
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise AliasesError(path, None, f"cannot be read ({reason}): make it a readable file") from (
            error
        )
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise AliasesError(path, line, "not UTF-8: save the file as UTF-8") from None
    return parse(text, path)


def shutdown_keyword(command: str) -> str | None:
    """Return the word by which a command ends the system (`reboot`, `poweroff`, …); None without.

    A word counts wherever it stands alone in the command, also by path or as a systemd unit.
    """
    found = _SHUTDOWN_KEYWORD.search(command)
    return found[1] if found else None


def _read(path: Path) -> bytes:
    # The packaged file may be inside of a zip archive.
    packaged = pkgutil.get_data("exporter", path.name) if path == DEFAULT_PATH else None
    return path.read_bytes() if packaged is None else packaged


def parse(text: str, path: Path) -> Aliases:
    """Check the text of an aliases file; `path` is for its errors alone. Raises AliasesError."""
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
    """The file's lines as configparser wants them; knows afterwards what stood where.

    A header may be followed by an alias on its line, as in `[Stack] CPU = cat ...`.
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
                self._comment.clear()  # it is about the section

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
        """The line an error of configparser stands in, what is wrong, and the mend."""
        match error:
            case configparser.DuplicateOptionError(section=section, option=option):
                return self._emitted_lines[-1], (
                    f"[{section}] has {option} already, in line "
                    f"{self.options[section, option]}: remove or rename one"
                )
            case configparser.DuplicateSectionError(section=section):
                return self._emitted_lines[-1], (
                    f"[{section}] is there already, in line {self.headers[section]}: "
                    "put its aliases together"
                )
            case configparser.MissingSectionHeaderError(line=line) if line.startswith("["):
                return self._emitted_lines[
                    -1
                ], "a section's name without its end: put a ] behind it"
            case configparser.MissingSectionHeaderError():
                return self._emitted_lines[-1], (
                    "an alias before the first section: put a line such as [stack] above it"
                )
            case configparser.ParsingError(errors=[(lineno, _), *_]):
                return self._emitted_lines[lineno - 1], (
                    "neither [section] nor alias = command: write one of them, "
                    "and indent the further lines of a command"
                )
        return self._emitted_lines[-1], " ".join(str(error).split())


@dataclass(slots=True)
class _AliasesBuilder:
    """What configparser has read, on its way to Aliases."""

    path: Path
    lines: _LineTracker
    parser: configparser.RawConfigParser

    def build(self) -> Aliases:
        sections = self.parser.sections()
        found = [alias for section in sections for alias in self._parse_section(section)]
        if not found:
            raise AliasesError(
                self.path, None, "no alias in it: add one, such as [stack] and under it a = echo 1"
            )
        metrics = tuple(alias for alias in found if alias.section != ACTIONS_SECTION)
        self._reject_duplicates(metrics)
        actions = {alias.name: alias for alias in found if alias.section == ACTIONS_SECTION}
        return Aliases(self.path, metrics, actions)

    def _parse_section(self, section: str) -> Iterator[Alias]:
        if not _NAME.fullmatch(section):
            raise AliasesError(
                self.path,
                self.lines.headers[section],
                f"[{section}] cannot begin a metric's name: use letters, digits and _",
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
                    section, name, f"{name} belongs to no alias here: write ALIAS.timeout = SECONDS"
                )

    def _parse_alias(self, section: str, name: str, command: str, timeout: float | None) -> Alias:
        if not _NAME.fullmatch(name):
            raise self._error(
                section, name, f"{name!r} cannot be an alias: use letters, digits and _"
            )
        if not command:
            raise self._error(section, name, f"{name} has no command: write one after the =")
        if control := _CONTROL_CHARACTER.search(command):
            raise self._error(
                section, name, f"{name} has the control character {control[0]!r}: remove it"
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
        if danger := shutdown_keyword(command):
            raise self._error(
                section,
                name,
                f"{name} would run {danger} at each scrape: move it to [{ACTIONS_SECTION}]",
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
                section, f"{name}.timeout", f"{text!r} is no time-out: write seconds, such as 2.5"
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
                    f"{alias.metric} is the exporter's own metric: rename the alias",
                )
            first = seen.setdefault(alias.family, alias)
            if first is not alias:
                raise AliasesError(
                    self.path,
                    alias.line,
                    f"{alias.metric} clashes with {first.metric} in line {first.line}: "
                    "rename one of them",
                )

    def _error(self, section: str, option: str, problem: str) -> AliasesError:
        return AliasesError(self.path, self.lines.options[section, option], problem)
