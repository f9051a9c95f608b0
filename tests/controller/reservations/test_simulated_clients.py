"""Twenty clients share a rack for an hour of simulated time."""

from pathlib import Path

import pytest

from tests.controller.reservations.simulated_clients import SimulatedReservations

_HOUR = 3600.0
_CLIENTS = 20


def _check_an_hour(folder: Path, seed: int) -> None:
    rack = SimulatedReservations(folder, _CLIENTS, seed)
    rack.run(_HOUR)
    counts = rack.counts
    assert counts["started"] > _CLIENTS
    assert min(counts[each] for each in ("killed", "refused", "edges", "not extended")) > 0


def test_clients_keep_the_queue_and_never_share_a_stack_although_the_controller_is_killed(
    tmp_path: Path,
) -> None:
    _check_an_hour(tmp_path, seed=1)


@pytest.mark.verify
@pytest.mark.parametrize("seed", range(2, 21))
def test_clients_keep_the_queue_with_any_seed(tmp_path: Path, seed: int) -> None:
    _check_an_hour(tmp_path, seed)
