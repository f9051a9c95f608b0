"""Run each alias once and report values and warnings, for `pirack-exporter --check`."""

import os
from collections.abc import Iterator
from pathlib import Path

from exporter import builtin_only, native, output
from exporter.aliases import Alias, Aliases
from exporter.output import Labels, OutputError, Samples
from exporter.runner import DEFAULT_TIMEOUT, CommandRunner

_UNITS = {"celsius", "hertz", "bytes", "seconds", "volts", "amperes", "watts", "joules", "ratio"}
_UNITLESS = {"load1", "load5", "load15", "info"}
_TIMEOUT = 60.0
_TIMEOUT_WARNING_RATIO = 0.5
_MIN_CLOCK_HERTZ = 10e6
_MAX_CELSIUS = 150.0
_MAX_RATIO = 1.0


def report(aliases: Aliases, root: Path) -> tuple[list[str], bool]:
    """Run each alias once. Return the lines to print, and whether all aliases succeeded."""
    runner = CommandRunner(aliases.metrics, root=root, kill_orphans=True)
    try:
        results = runner.run(_TIMEOUT)
    finally:
        runner.close()
    lines = []
    failed = 0
    for alias, result in results.items():
        lines.append(f"[{alias.section}] {alias.name}, line {alias.line}: {result.seconds:.4f} s")
        try:
            samples = output.samples_from(result)
        except OutputError as error:
            failed += 1
            lines.append(f"    FAILED: {error}")
            continue
        lines += [
            f"    {alias.metric}{_format_labels(labels)} {value:.15g}" for labels, value in samples
        ]
        warnings = warnings_for(alias, result.seconds, samples)
        lines += [f"    warning: {warning}" for warning in warnings]
    if root == Path("/") and not is_in_sandbox():
        lines.append(
            "note: not in the sandbox of the service, in which /dev, /home and /tmp differ: see "
            "docs/reference/exporter.md to check a file in it"
        )
    lines.append(
        f"{aliases.path}: {len(results)} aliases, {failed} failed; "
        f"{len(aliases.actions)} actions, not run"
    )
    return lines, not failed


def is_in_sandbox() -> bool:
    """Return whether the root file system is mounted read-only, as in the unit of the exporter."""
    return bool(os.statvfs("/").f_flag & os.ST_RDONLY)


def warnings_for(alias: Alias, seconds: float, samples: Samples) -> Iterator[str]:
    """Yield a warning for each probable mistake in an alias that succeeded."""
    words = alias.family.split("_")
    values = [value for _, value in samples]
    if not set(words) & (_UNITS | _UNITLESS) and not set(values) <= {0, 1}:
        units = ", ".join(sorted(_UNITS))
        yield f"no unit in the name: end the name in one of {units}, unless the value is a count"
    if "hertz" in words and 0 < max(values) < _MIN_CLOCK_HERTZ:
        yield "slow for a clock: the kernel reports kHz, so append e3 to the value"
    if "celsius" in words and max(map(abs, values)) > _MAX_CELSIUS:
        yield "hot for a Raspberry Pi: the kernel reports millidegrees, so append e-3 to the value"
    if "ratio" in words and max(values) > _MAX_RATIO:
        yield "a ratio is 0 to 1: divide percentages by 100"
    if (
        native.parse(alias.command) is None
        and builtin_only.assigned_variables(alias.command) is None
    ):
        yield "starts a process at each scrape: see docs/reference/exporter.md for alternatives"
    if seconds > _TIMEOUT_WARNING_RATIO * (alias.timeout or DEFAULT_TIMEOUT):
        yield f"close to its timeout of {alias.timeout or DEFAULT_TIMEOUT:g} s"


def _format_labels(labels: Labels) -> str:
    pairs = ",".join(f'{name}="{value}"' for name, value in labels.items())
    return f"{{{pairs}}}" if pairs else ""
