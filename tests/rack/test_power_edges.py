"""Edges of power and the time of the return of power, on the pins of a virtual rack."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import get_args

import pytest
from gpiozero.exc import PinError

from rack.clock import Moment
from rack.power import commanded_power
from rack.power.commanded_power import CommandedPower, overdue_outlets
from rack.power.edges import Edge, PowerEdges, SwitchError
from rack.settings import AfterBoot
from tests.helpers.stack_relays import StackRelays
from tests.rack.relay_fixture import (
    EPOCH,
    NORMALLY_CLOSED,
    RACK_OF_3,
    KilledError,
    RelayFixture,
)

START = 1000.0


@pytest.fixture
def fixture(tmp_path: Path) -> RelayFixture:
    return RelayFixture(tmp_path)


def kill() -> None:
    raise KilledError


def do_nothing() -> None:
    pass


def saved_power(fixture: RelayFixture) -> dict[int, CommandedPower]:
    powers = commanded_power.load_all(fixture.database, fixture.layout)
    return {outlet.stack: power for outlet, power in powers.items()}


def overdue_stacks(powers: Mapping[int, CommandedPower], now: float) -> tuple[int, ...]:
    outlets = {RACK_OF_3.outlet(stack): power for stack, power in powers.items()}
    return tuple(outlet.stack for outlet in overdue_outlets(outlets, now))


def saved_edges(fixture: RelayFixture) -> list[Edge]:
    return PowerEdges(fixture.database).list_recent(100)[::-1]


def at(monotonic: float) -> Moment:
    return Moment(monotonic, EPOCH + monotonic)


def test_all_commands_are_saved_before_the_first_pin_and_nothing_between_the_pins(
    fixture: RelayFixture,
) -> None:
    relays = fixture.make_relays()
    versions = []
    with fixture.database.connection() as observer:

        def check() -> None:
            power = saved_power(fixture)
            assert [power[stack].is_on for stack in (1, 2, 3)] == [False] * 3
            assert [power[stack].on_again_at for stack in (1, 2, 3)] == [START + 5] * 3
            assert [(edge.stack, edge.after) for edge in saved_edges(fixture)] == [
                (1, None), (2, None), (3, None),
            ]  # fmt: skip
            versions.append(observer.execute("PRAGMA data_version").fetchone())

        fixture.before_pin = check
        relays.switch(dict.fromkeys((1, 2, 3), False), on_again_at=START + 5)
    assert len(versions) == 3
    assert len(set(versions)) == 1
    assert fixture.power == [False] * 3


def test_edge_has_the_planned_time_and_the_times_around_its_pin_on_both_clocks(
    fixture: RelayFixture,
) -> None:
    relays = fixture.make_relays()
    fixture.before_pin = lambda: fixture.sleep(0.25)
    edges = relays.switch({3: False, 1: False}, at=START + 2, cause="order 7")
    assert list(edges) == saved_edges(fixture)
    assert edges == (
        Edge(1, 3, False, "order 7", "first", at(1002), at(1002), at(1002.25)),
        Edge(2, 1, False, "order 7", "first", at(1002), at(1002.25), at(1002.5)),
    )


def test_time_of_a_late_switch_is_not_the_planned_time(fixture: RelayFixture) -> None:
    [edge] = fixture.make_relays().switch({2: False}, at=START - 3)
    assert (edge.planned, edge.before) == (at(START - 3), at(START))


def test_command_that_changes_no_power_has_no_edge(fixture: RelayFixture) -> None:
    relays = fixture.make_relays()
    assert relays.switch({1: True, 2: False}) == tuple(saved_edges(fixture))
    assert [edge.stack for edge in saved_edges(fixture)] == [2]
    assert relays.switch({2: False}) == ()


def test_relay_that_cannot_be_switched_has_no_edge_and_stops_no_other_relay(
    fixture: RelayFixture,
) -> None:
    relays = fixture.make_relays()
    previous = relays.commanded(2)

    pins = iter(range(3))

    def fail_second_pin() -> None:
        if next(pins) == 1:
            raise PinError("no permission")

    fixture.before_pin = fail_second_pin
    with pytest.raises(
        SwitchError, match="relay on GPIO17 could not be switched: no perm"
    ) as caught:
        relays.switch(dict.fromkeys((1, 2, 3), False), on_again_at=START + 5)
    assert list(caught.value.problems) == [fixture.layout.outlet(2)]
    assert [edge.stack for edge in caught.value.edges] == [1, 3]
    assert list(caught.value.edges) == saved_edges(fixture)
    assert fixture.power == [False, True, False]
    assert relays.commanded(2) == previous == saved_power(fixture)[2]


def test_power_is_switched_and_remains_due_if_its_times_cannot_be_saved(
    fixture: RelayFixture,
) -> None:
    relays = fixture.make_relays()
    relays.switch({2: False}, on_again_at=START)

    def break_database() -> None:
        with fixture.database.connection() as connection:
            connection.execute("ALTER TABLE power_edges RENAME TO broken")

    fixture.before_pin = break_database
    relays.on(2)
    assert fixture.power == [True] * 3
    assert overdue_stacks(relays.all_commanded(), START) == (2,)
    assert overdue_stacks(saved_power(fixture), START) == (2,)


def test_observations_are_saved_for_their_edge(fixture: RelayFixture) -> None:
    relays = fixture.make_relays()
    off, on = relays.switch({2: False}) + relays.switch({2: True})
    relays.edges.save_observation(off.id, first_silence=at(1))
    relays.edges.save_observation(on.id, first_answer=at(2))
    assert saved_edges(fixture) == [
        replace(off, first_silence=at(1)),
        replace(on, first_answer=at(2)),
    ]


def test_edges_are_listed_by_cause_and_below_an_id(fixture: RelayFixture) -> None:
    relays = fixture.make_relays()
    for number in range(1, 4):
        relays.off(2, cause=f"order {number}")
        relays.on(2, cause=f"order {number}")
    assert [edge.id for edge in relays.edges.list_recent(2)] == [6, 5]
    assert [edge.id for edge in relays.edges.list_recent(9, before=3)] == [2, 1]
    assert [edge.id for edge in relays.edges.list_recent(9, cause="order 2")] == [4, 3]


def test_oldest_edges_are_deleted(fixture: RelayFixture) -> None:
    relays = fixture.make_relays()
    relays.edges._max_edges = 30
    for _ in range(55):
        relays.off(2)
        relays.on(2)
    assert [edge.id for edge in relays.edges.list_recent(1000)] == list(range(110, 70, -1))


def test_stack_is_overdue_from_its_time_until_its_relay_was_switched_on(
    fixture: RelayFixture,
) -> None:
    relays = fixture.make_relays()
    relays.switch({1: False, 2: False}, on_again_at=START + 5)
    relays.off(3)
    assert overdue_stacks(relays.all_commanded(), START + 4.9) == ()
    assert overdue_stacks(fixture.make_relays().all_commanded(), START + 5) == (1, 2)

    fixture.before_pin = kill
    with suppress(KilledError):
        relays.on(1)
    assert overdue_stacks(saved_power(fixture), START + 5) == (1, 2)
    fixture.before_pin = do_nothing
    relays = fixture.make_relays()
    assert relays.commanded(1).outlet_differs
    relays.on(1)
    relays.off(2)  # it stays off
    for powers in (relays.all_commanded(), saved_power(fixture)):
        assert overdue_stacks(powers, START + 1000) == ()


def test_stack_is_due_if_the_process_is_killed_before_the_cut(fixture: RelayFixture) -> None:
    relays = fixture.make_relays()
    fixture.before_pin = kill
    with suppress(KilledError):
        relays.switch({2: False}, on_again_at=START + 5)
    fixture.before_pin = do_nothing
    relays = fixture.make_relays()
    assert fixture.power == [True] * 3
    assert overdue_stacks(relays.all_commanded(), START + 5) == (2,)
    relays.on(2)
    assert not relays.commanded(2).outlet_differs
    assert fixture.switch_counts == [0, 0, 0]


@pytest.mark.parametrize("after_boot", get_args(AfterBoot))
def test_stack_that_must_have_power_again_is_on_after_a_boot_of_the_master(
    tmp_path: Path, after_boot: AfterBoot
) -> None:
    fixture = RelayFixture(tmp_path, NORMALLY_CLOSED.model_copy(update={"after_boot": after_boot}))
    fixture.make_relays().switch({2: False}, on_again_at=START + 500)
    fixture.reboot()
    fixture.now = 7.0
    for _ in range(2):  # the second start is in the same boot
        relays = fixture.make_relays()
        assert fixture.power[1]
        assert overdue_stacks(relays.all_commanded(), 7.0) == (2,)
    relays.on(2)
    assert overdue_stacks(fixture.make_relays().all_commanded(), 7.0) == ()


def test_install_leaves_a_stack_on_that_must_have_power_again(fixture: RelayFixture) -> None:
    relays = fixture.make_relays()
    relays.switch({2: False}, on_again_at=START + 5)
    for command in (relays.on, relays.off):
        command(2, installing=True)
        assert overdue_stacks(saved_power(fixture), START + 5) == (2,)
    assert fixture.make_relays().restore_after_install() == (2,)
    assert fixture.power == [True] * 3
    assert overdue_stacks(saved_power(fixture), START + 5) == ()
    assert [edge.cause for edge in saved_edges(fixture)] == ["", "install", "install", "install"]


def test_relays_that_cannot_be_used_have_no_overdue_stack(fixture: RelayFixture) -> None:
    fixture.make_relays().switch({2: False}, on_again_at=START)

    def fail() -> None:
        raise PinError("no pins")

    relays = StackRelays(
        fixture.layout,
        fixture.database,
        factory=fail,
        boot_id=fixture.boot_id,
    )
    assert overdue_stacks(relays.all_commanded(), START) == ()
