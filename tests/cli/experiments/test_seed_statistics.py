"""Tests of the statistics over seeds."""

import pytest

from cli.experiments.seed_statistics import SeedOutcome, describe, wilson
from cli.experiments.verdict import VerdictResult

LOSS = "12 of 48,210 acknowledged writes, acknowledged at most 0.8 s before stack 04 was cut"


def outcomes(*results: VerdictResult) -> list[SeedOutcome]:
    return [
        SeedOutcome(seed, 200 + seed, result, f"summary {seed}")
        for seed, result in enumerate(results, 1)
    ]


def fifty_ok() -> list[SeedOutcome]:
    return [SeedOutcome(seed, 200 + seed, "ok", "none lost") for seed in range(1, 51)]


def test_first_line_counts_results_and_describes_the_loss() -> None:
    runs = fifty_ok()
    runs[6] = SeedOutcome(7, 207, "lost", LOSS)
    assert describe(runs) == [
        f"49 ok, 1 LOST: seed 7, {LOSS}",
        "lost or failed in 1 of 50 runs, 95 % interval of the share: 0.4 to 10.5 %",
    ]


def test_every_run_that_is_not_ok_has_a_line_and_losses_come_first() -> None:
    assert describe(outcomes("ok", "unknown", "failed", "lost", "lost")) == [
        "1 ok, 2 LOST, 1 FAILED, 1 unknown: seed 4, summary 4",
        "seed 5, summary 5",
        "seed 3, summary 3",
        "seed 2, summary 2",
        "lost or failed in 3 of 4 runs, 95 % interval of the share: 30.1 to 95.4 %",
    ]


def test_runs_without_a_loss_have_an_upper_bound_of_the_share() -> None:
    assert describe(fifty_ok()) == [
        "50 ok",
        "lost or failed in 0 of 50 runs, 95 % interval of the share: 0.0 to 7.1 %",
    ]


def test_runs_without_verdict_have_no_interval() -> None:
    assert describe(outcomes("unknown")) == ["1 unknown: seed 1, summary 1"]


# Values of statsmodels 0.15, `proportion_confint(count, total, method="wilson")`.
@pytest.mark.parametrize(
    ("count", "total", "low", "high"),
    [
        (0, 10, 0.0, 0.277533),
        (1, 10, 0.017876, 0.404150),
        (5, 10, 0.236593, 0.763407),
        (10, 10, 0.722467, 1.0),
        (1, 50, 0.003539, 0.104954),
        (15, 148, 0.062386, 0.160487),
    ],
)
def test_interval_is_wilsons(count: int, total: int, low: float, high: float) -> None:
    interval = wilson(count, total)
    assert interval.low == pytest.approx(low, abs=1e-6)
    assert interval.high == pytest.approx(high, abs=1e-6)


@pytest.mark.parametrize(("count", "total"), [(0, 0), (2, 1), (-1, 5)])
def test_impossible_share_has_no_interval(count: int, total: int) -> None:
    with pytest.raises(ValueError, match="is not a share"):
        wilson(count, total)
