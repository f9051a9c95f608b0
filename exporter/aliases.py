"""Load and validate an aliases file with `[section]` and `alias = shell command` lines.

Each error is one line, `FILE:LINE: problem: fix`.
"""

import math
import pkgutil
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from exporter import native
from exporter.aliases_syntax import AliasesSyntaxError, Entry, Section, parse_sections
from exporter.shutdown_commands import find_shutdown_command

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
_CONTROL_CHARACTER = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


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


def _read(path: Path) -> bytes:
    # The packaged file may be in a zip archive.
    packaged = pkgutil.get_data("exporter", path.name) if path == DEFAULT_PATH else None
    return path.read_bytes() if packaged is None else packaged


def parse(text: str, path: Path) -> Aliases:
    """Parse the text of the aliases file at `path`. Raise AliasesError."""
    try:
        sections = parse_sections(text)
    except AliasesSyntaxError as error:
        raise AliasesError(path, error.line, str(error)) from None
    return _AliasesBuilder(path).build(sections)


@dataclass(frozen=True, slots=True)
class _AliasesBuilder:
    """Validates the sections of an aliases file."""

    path: Path

    def build(self, sections: Sequence[Section]) -> Aliases:
        aliases = [alias for section in sections for alias in self._parse_section(section)]
        if not aliases:
            raise AliasesError(
                self.path, None, "no aliases: add one, for example [stack] and below it a = echo 1"
            )
        metrics = tuple(alias for alias in aliases if alias.section != ACTIONS_SECTION)
        self._reject_duplicates(metrics)
        actions = {alias.name: alias for alias in aliases if alias.section == ACTIONS_SECTION}
        return Aliases(self.path, metrics, actions)

    def _parse_section(self, section: Section) -> Iterator[Alias]:
        if not _NAME.fullmatch(section.name):
            raise AliasesError(
                self.path,
                section.line,
                f"[{section.name}] is not a valid section name: use letters, digits and _",
            )
        for name, entry in section.entries.items():
            alias, dot, setting = name.partition(".")
            if not dot:
                timeout = self._parse_timeout(section.entries.get(f"{name}.timeout"))
                yield self._parse_alias(entry, timeout)
            elif setting != "timeout" or alias not in section.entries:
                raise self._error(
                    entry, f"{name} has no alias in this section: write ALIAS.timeout = SECONDS"
                )

    def _parse_alias(self, entry: Entry, timeout: float | None) -> Alias:
        name, command = entry.name, entry.value
        if not _NAME.fullmatch(name):
            raise self._error(
                entry, f"{name!r} is not a valid alias name: use letters, digits and _"
            )
        if not command:
            raise self._error(entry, f"{name} has no command: add a command after the =")
        if control := _CONTROL_CHARACTER.search(command):
            raise self._error(
                entry, f"{name} contains the control character {control[0]!r}: remove it"
            )
        section = entry.section.lower()
        if section != ACTIONS_SECTION:
            self._reject_shutdown(entry, command)
            try:
                native.parse(command)
            except ValueError as error:
                raise self._error(entry, str(error)) from None
        help_ = entry.comment or " ".join(command.split())
        return Alias(section, name, command, timeout, entry.line, help_)

    def _reject_shutdown(self, entry: Entry, command: str) -> None:
        if shutdown_command := find_shutdown_command(command):
            raise self._error(
                entry,
                f"{entry.name} would run {shutdown_command} at each scrape: "
                f"move it to [{ACTIONS_SECTION}]",
            )

    def _parse_timeout(self, entry: Entry | None) -> float | None:
        if entry is None:
            return None
        try:
            seconds = float(entry.value)
        except ValueError:
            seconds = math.nan
        if not 0 < seconds < math.inf:
            raise self._error(
                entry,
                f"{entry.value!r} is not a valid timeout: write seconds, for example 2.5",
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

    def _error(self, entry: Entry, problem: str) -> AliasesError:
        return AliasesError(self.path, entry.line, problem)
