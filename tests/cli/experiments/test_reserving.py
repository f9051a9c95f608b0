"""Stacks that are reserved for the runs of one command."""

from collections.abc import Iterator

import click
import pytest

from cli.__main__ import pirack
from cli.api_client import ApiClient, ControllerError
from cli.experiments.reserving import ReservedStacks
from cli.reservation_models import ApiReservation
from tests.cli.experiments.scripted_controller import ScriptedController
from tests.controller.running_server import running_server
from tests.helpers.fake_clock import FakeClock


@pytest.fixture
def controller() -> ScriptedController:
    return ScriptedController()


@pytest.fixture
def client(controller: ScriptedController) -> Iterator[ApiClient]:
    with running_server(controller.app) as url, click.Context(pirack, info_name="pirack"):
        yield ApiClient(url, None)


class Waiting:
    """Clock that moves while the command waits, and the places in the queue that it shows."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.positions: list[int | None] = []
        self.is_stop_wanted = False

    def sleep(self, seconds: float) -> None:
        self.clock.now += seconds

    def show(self, reservation: ApiReservation) -> None:
        self.positions.append(reservation.position)

    def stacks(self, client: ApiClient) -> ReservedStacks:
        return ReservedStacks(
            client,
            "2 stacks",
            None,
            on_wait=self.show,
            is_stop_wanted=lambda: self.is_stop_wanted,
            clock=self.clock,
            sleep=self.sleep,
        )


@pytest.fixture
def waiting() -> Waiting:
    return Waiting()


def test_stacks_are_handed_back_at_the_end(
    controller: ScriptedController, client: ApiClient, waiting: Waiting
) -> None:
    with waiting.stacks(client) as stacks:
        ids = [stacks.id, stacks.require(60.0), stacks.id]
    assert ids == [None, 1, 1]
    assert controller.reservations[0]["state"] == "ended"


def test_reservation_is_extended_by_what_is_missing(
    controller: ScriptedController, client: ApiClient, waiting: Waiting
) -> None:
    with waiting.stacks(client) as stacks:
        stacks.require(60.0)
        waiting.clock.now += 20.0
        stacks.require(30.0)
        assert controller.bodies("extend") == []
        stacks.require(60.0)
    assert controller.bodies("extend") == [{"seconds": 20}]


def test_queue_survives_a_restart_of_the_controller(
    controller: ScriptedController, client: ApiClient, waiting: Waiting
) -> None:
    controller.queue_length = 3
    controller.failures = 20
    with waiting.stacks(client) as stacks:
        stacks.require(60.0)
    assert waiting.positions == [3] * 21 + [2, 1]


def test_queue_is_left_when_the_controller_stays_away(
    controller: ScriptedController, client: ApiClient, waiting: Waiting
) -> None:
    controller.queue_length = 1
    controller.failures = 1000
    with (
        pytest.raises(ControllerError, match="the controller is stopping"),
        waiting.stacks(client) as stacks,
    ):
        stacks.require(60.0)
    assert 60 < waiting.clock.now < 65


def test_wish_to_stop_leaves_the_queue(
    controller: ScriptedController, client: ApiClient, waiting: Waiting
) -> None:
    controller.queue_length = 2
    waiting.is_stop_wanted = True
    with pytest.raises(KeyboardInterrupt), waiting.stacks(client) as stacks:
        stacks.require(60.0)
    assert controller.reservations[0]["state"] == "ended"


def test_lease_of_the_reservation_is_renewed_every_ten_seconds(
    controller: ScriptedController, client: ApiClient, waiting: Waiting
) -> None:
    with waiting.stacks(client) as stacks:
        stacks.renew()
        stacks.require(60.0)
        for _ in range(25):
            stacks.renew()
            waiting.clock.now += 1.0
    assert len(controller.bodies("renew")) == 3
