"""Statistics over the runs of several seeds.

The interval of a share is Wilson's, as Brown, Cai and DasGupta recommend for few runs: Interval
Estimation for a Binomial Proportion, Statistical Science 16(2), 2001.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist

from cli.experiments.verdict import VerdictResult

_CONFIDENCE = 0.95
_TEXTS: Mapping[VerdictResult, str] = {
    "ok": "ok",
    "lost": "LOST",
    "failed": "FAILED",
    "unknown": "unknown",
}
_VIOLATIONS: tuple[VerdictResult, ...] = ("lost", "failed")


@dataclass(frozen=True)
class SeedOutcome:
    """Outcome of the run of a seed.

    Attributes:
        seed: The seed.
        run: Id of the run.
        result: Result of its verdict.
        summary: One line about it.
    """

    seed: int
    run: int
    result: VerdictResult
    summary: str


@dataclass(frozen=True)
class ShareInterval:
    """Bounds of a share, from 0 to 1."""

    low: float
    high: float


def wilson(count: int, total: int) -> ShareInterval:
    """Return Wilson's 95 % interval of the share `count / total`.

    Raises:
        ValueError: If `count` is not from 0 to `total`, or `total` is 0.
    """
    if not 0 <= count <= total or not total:
        raise ValueError(f"{count} of {total} is not a share")
    z = NormalDist().inv_cdf((1 + _CONFIDENCE) / 2)
    share, weight = count / total, z * z / total
    center = (share + weight / 2) / (1 + weight)
    margin = z / (1 + weight) * math.sqrt((share * (1 - share) + weight / 4) / total)
    return ShareInterval(max(0.0, center - margin), min(1.0, center + margin))


def describe(outcomes: Sequence[SeedOutcome]) -> list[str]:
    """Return lines about the runs of several seeds.

    The first line counts the results and describes the first run that is not ok, then a line for
    each further one, and last the share of violations.
    """
    counts = Counter(outcome.result for outcome in outcomes)
    head = ", ".join(
        f"{counts[result]} {text}" for result, text in _TEXTS.items() if counts[result]
    )
    first, *others = [_detail(outcome) for outcome in _by_severity(outcomes)] or [""]
    lines = [f"{head}: {first}" if first else head, *others]
    violations = sum(counts[result] for result in _VIOLATIONS)
    if total := violations + counts["ok"]:
        lines.append(_share_line(violations, total))
    return lines


def _by_severity(outcomes: Sequence[SeedOutcome]) -> list[SeedOutcome]:
    order = ("lost", "failed", "unknown")
    return [outcome for result in order for outcome in outcomes if outcome.result == result]


def _detail(outcome: SeedOutcome) -> str:
    return f"seed {outcome.seed}, {outcome.summary}"


def _share_line(count: int, total: int) -> str:
    interval = wilson(count, total)
    return (
        f"lost or failed in {count} of {total} runs, 95 % interval of the share:"
        f" {_percent(interval.low)} to {_percent(interval.high)} %"
    )


def _percent(share: float) -> str:
    return f"{share * 100:.1f}"
