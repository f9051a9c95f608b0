"""Tests of relays and commanded power, on the pins of a virtual rack."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import get_args

import pytest
from gpiozero.exc import PinError
from hypothesis import given, settings
from hypothesis import strategies as st

from rack.errors import DatabaseError, RelayError, UnknownTargetError
from rack.power import commanded_power
from rack.power.commanded_power import CommandedPower, initial_power
from rack.power.drivers.gpio import pin_factory
from rack.settings import AfterBoot, Contact, RelayBoard
from tests.helpers.stack_relays import StackRelays
from tests.rack.relay_fixture import NORMALLY_CLOSED, KilledError, RelayFixture
from virtual_rack.faults import Fault
from virtual_rack.pins import VirtualFactory
from virtual_rack.relays import PinState


@pytest.fixture
def relay_fixture(tmp_path: Path) -> RelayFixture:
    return RelayFixture(tmp_path)


@contextmanager
def temporary_relay_fixture(board: RelayBoard) -> Iterator[RelayFixture]:
    with TemporaryDirectory() as folder:
        yield RelayFixture(Path(folder), board)


ORDERS = st.tuples(st.sampled_from([1, 2, 3]), st.sampled_from(["on", "off", "restart"]))


@settings(max_examples=60, deadline=None)
@given(
    active_high=st.booleans(),
    contact=st.sampled_from(["normally_open", "normally_closed"]),
    orders=st.lists(ORDERS, max_size=8),
)
def test_stacks_have_commanded_power_and_only_their_own_relay_switches(
    active_high: bool, contact: Contact, orders: list[tuple[int, str]]
) -> None:
    with temporary_relay_fixture(RelayBoard(active_high=active_high, contact=contact)) as fixture:
        expected = [contact == "normally_closed"] * 3
        switch_counts = [0, 0, 0]
        relays = fixture.make_relays()
        for stack, command in orders:
            if command == "restart":
                relays = fixture.make_relays()
            else:
                (relays.on if command == "on" else relays.off)(stack)
                switch_counts[stack - 1] += expected[stack - 1] != (command == "on")
                expected[stack - 1] = command == "on"
            assert fixture.power == expected
            assert [relays.is_on(number) for number in (1, 2, 3)] == expected
            assert fixture.switch_counts == switch_counts


def test_repeated_command_keeps_time_of_first_command(
    relay_fixture: RelayFixture,
) -> None:
    relays = relay_fixture.make_relays()
    relay_fixture.now = 2000.0
    relays.off(2)
    relay_fixture.now = 3000.0
    relays.off(2)
    assert relays.commanded(2).since == 2000.0
    assert relay_fixture.make_relays().commanded(2).since == 2000.0


BOARDS = [
    RelayBoard(active_high=active_high, contact=contact)
    for active_high in (True, False)
    for contact in get_args(Contact)
]


def interrupt_order(fixture: RelayFixture, stack: int, *, is_on: bool) -> None:
    """Save a command without switching its relay, as if a kill interrupted the order."""
    power = replace(fixture.make_relays().commanded(stack), is_on=is_on, since=fixture.now)
    commanded_power.save(fixture.database, {fixture.layout.outlet(stack): power})


@pytest.mark.parametrize("board", BOARDS)
@pytest.mark.parametrize("is_on", [True, False])
def test_start_does_not_complete_interrupted_order(board: RelayBoard, is_on: bool) -> None:
    with temporary_relay_fixture(board) as fixture:
        relays = fixture.make_relays()
        for stack in (1, 2, 3):
            (relays.off if is_on else relays.on)(stack)
        power, switch_counts = fixture.power, fixture.switch_counts
        interrupt_order(fixture, 2, is_on=is_on)
        for _ in range(2):
            relays = fixture.make_relays()
            assert (relays.is_on(2), relays.has_power(2)) == (is_on, not is_on)
            assert [relays.commanded(stack).outlet_differs for stack in (1, 2, 3)] == [
                False, True, False,
            ]  # fmt: skip
            assert fixture.power == power
            assert fixture.switch_counts == switch_counts


@pytest.mark.parametrize("interrupted", [True, False])
@pytest.mark.parametrize("is_on", [True, False])
def test_next_order_resolves_interrupted_order(
    relay_fixture: RelayFixture, interrupted: bool, is_on: bool
) -> None:
    relays = relay_fixture.make_relays()
    (relays.off if interrupted else relays.on)(2)
    interrupt_order(relay_fixture, 2, is_on=interrupted)
    relays = relay_fixture.make_relays()
    relay_fixture.now = 2000.0
    (relays.on if is_on else relays.off)(2)
    for restarted in (relays, relay_fixture.make_relays()):
        assert restarted.commanded(2).is_on == restarted.has_power(2) == is_on
        assert not restarted.commanded(2).outlet_differs
        assert restarted.commanded(2).since == 2000.0
    assert relay_fixture.power == [True, is_on, True]


def test_relay_still_differs_after_failed_order(
    relay_fixture: RelayFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupt_order(relay_fixture, 2, is_on=False)
    relays = relay_fixture.make_relays()
    with monkeypatch.context() as patch:
        patch.setattr(VirtualFactory, "drive", raise_pin_error)
        with pytest.raises(RelayError, match="relay on GPIO17 could not be switched"):
            relays.off(2)
    assert relays.commanded(2).outlet_differs
    relays.off(2)
    assert relay_fixture.power == [True, False, True]


def raise_pin_error(*_arguments: object, **_options: object) -> None:
    raise PinError("no permission")


def test_pins_released_in_same_boot_stay_at_rest(relay_fixture: RelayFixture) -> None:
    relay_fixture.make_relays().off(2)
    boot_id = relay_fixture.boot_id.read_text()
    relay_fixture.reboot()
    relay_fixture.boot_id.write_text(boot_id)  # the kernel released the pins, without a boot
    relays = relay_fixture.make_relays()
    assert relay_fixture.switch_counts == [0, 0, 0]
    assert (relays.is_on(2), relays.has_power(2)) == (False, True)


@pytest.mark.parametrize("after_boot", get_args(AfterBoot))
@pytest.mark.parametrize("claimed_pins", [0, 1, 2, 3])
def test_after_boot_setting_is_applied_after_a_killed_start(
    tmp_path: Path, after_boot: AfterBoot, claimed_pins: int
) -> None:
    fixture = RelayFixture(tmp_path, NORMALLY_CLOSED.model_copy(update={"after_boot": after_boot}))
    relays = fixture.make_relays()
    relays.off(2)
    relays.off(3)
    fixture.reboot()
    drive, claims = fixture.rack.drive, iter(range(claimed_pins))

    def drive_until_kill(number: int, state: PinState) -> None:
        if next(claims, None) is None:
            raise KilledError
        drive(number, state)

    with pytest.MonkeyPatch.context() as patch, suppress(KilledError):
        patch.setattr(fixture.rack, "drive", drive_until_kill)
        fixture.make_relays()
    relays = fixture.make_relays()
    expected = {"restore": [True, False, False], "on": [True] * 3, "off": [False] * 3}[after_boot]
    assert fixture.power == [relays.is_on(stack) for stack in (1, 2, 3)] == expected


def test_restore_after_install_is_repeated_after_a_kill(
    relay_fixture: RelayFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    relays = relay_fixture.make_relays()
    for stack in (1, 2):
        relays.off(stack, installing=True)

    def kill(*_arguments: object) -> None:
        raise KilledError

    with monkeypatch.context() as patch, suppress(KilledError):
        patch.setattr(relay_fixture.rack, "drive", kill)
        relays.restore_after_install()
    relays = relay_fixture.make_relays()
    assert relay_fixture.power == [False, False, True]
    assert [relays.commanded(stack).outlet_differs for stack in (1, 2, 3)] == [True, False, False]
    assert relays.restore_after_install() == (1, 2)
    assert relay_fixture.power == [True, True, True]


@pytest.mark.parametrize(
    ("after_boot", "expected"),
    [
        ("restore", [True, False, True]),
        ("on", [True, True, True]),
        ("off", [False, False, False]),
    ],
)
def test_after_boot_setting_is_applied_after_master_reboot(
    tmp_path: Path, after_boot: AfterBoot, expected: list[bool]
) -> None:
    fixture = RelayFixture(tmp_path, NORMALLY_CLOSED.model_copy(update={"after_boot": after_boot}))
    fixture.make_relays().off(2)
    fixture.make_relays()
    assert fixture.power == [True, False, True]
    fixture.reboot()
    assert fixture.power == [True, True, True]
    relays = fixture.make_relays()
    assert fixture.power == expected
    relays.on(2)
    fixture.make_relays()
    assert fixture.power == [expected[0], True, expected[2]]


BOOT_IDS = st.sampled_from(["this", "earlier"])
COMMANDED = st.builds(CommandedPower, st.booleans(), st.just(1.0), BOOT_IDS)


@given(
    previous=COMMANDED,
    current=st.booleans(),
    after_boot=st.sampled_from(get_args(AfterBoot)),
)
def test_initial_power_is_commanded_power_unless_setting_overrides_it_after_boot(
    previous: CommandedPower, current: bool, after_boot: AfterBoot
) -> None:
    initial = initial_power(previous, current, after_boot, "this", 2.0)
    if previous.boot_id == "this" or after_boot == "restore":
        assert initial.is_on == previous.is_on
    else:
        assert initial.is_on == (after_boot == "on")
    assert initial.since == (1.0 if previous.boot_id == "this" else 2.0)
    assert initial.boot_id == "this"
    if previous.boot_id == "this":
        assert initial.has_power == current
    else:
        assert not initial.outlet_differs


def test_stack_added_later_keeps_its_power_after_reboot(
    tmp_path: Path,
) -> None:
    fixture = RelayFixture(tmp_path, NORMALLY_CLOSED.model_copy(update={"after_boot": "off"}))
    complete_layout, fixture.layout = (
        fixture.layout,
        replace(fixture.layout, stacks=fixture.layout.stacks[:2]),
    )
    fixture.make_relays()
    fixture.layout = complete_layout
    fixture.reboot()
    fixture.make_relays()
    assert fixture.power == [False, False, True]


def test_stuck_relay_switches_after_fault_is_cleared(relay_fixture: RelayFixture) -> None:
    relays = relay_fixture.make_relays()
    relay_fixture.rack.inject_fault(relay_fixture.layout.stacks[1].slots, Fault.STUCK_RELAY)
    relays.off(2)
    assert not relays.is_on(2)
    assert relay_fixture.power == [True, True, True]
    assert relay_fixture.rack.status()["02-1"][1] == {Fault.STUCK_RELAY}
    relay_fixture.rack.clear_fault(relay_fixture.layout.slots)
    assert relay_fixture.power == [True, False, True]


def test_unknown_stack_is_rejected(relay_fixture: RelayFixture) -> None:
    with pytest.raises(UnknownTargetError, match="no stack 4: this rack has stacks 1 to 3"):
        relay_fixture.make_relays().off(4)
    assert relay_fixture.switch_counts == [0, 0, 0]


def test_unusable_database_switches_no_relay(
    relay_fixture: RelayFixture,
) -> None:
    relays = relay_fixture.make_relays()
    with relay_fixture.database.connection() as connection:
        connection.execute("DROP TABLE commanded_power")
    with pytest.raises(DatabaseError):
        relays.off(2)
    assert relays.is_on(2)
    assert relay_fixture.switch_counts == [0, 0, 0]
    with pytest.raises(DatabaseError):
        relay_fixture.make_relays()
    assert relay_fixture.switch_counts == [0, 0, 0]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("mock", "GPIOZERO_PIN_FACTORY=mock releases its pins"),
        ("latsching", "unknown pin factory 'latsching'"),
        ("virtual_rack", "PIRACK_VIRTUAL_RACK is not set"),
    ],
)
def test_unusable_pin_factory_is_rejected_with_reason(
    relay_fixture: RelayFixture, monkeypatch: pytest.MonkeyPatch, name: str, reason: str
) -> None:
    monkeypatch.setenv("GPIOZERO_PIN_FACTORY", name)
    monkeypatch.delenv("PIRACK_VIRTUAL_RACK", raising=False)
    relays = StackRelays(relay_fixture.layout, relay_fixture.database, factory=pin_factory)
    assert reason in relays.error
    with pytest.raises(RelayError, match="the relays cannot be used"):
        relays.off(1)
    assert commanded_power.load_all(relay_fixture.database, relay_fixture.layout) == {}


def test_restore_after_install_restores_previous_power(
    relay_fixture: RelayFixture,
) -> None:
    relays = relay_fixture.make_relays()
    relays.off(2)
    for stack in (1, 2, 3):
        relays.off(stack, installing=True)
        relays.on(stack, installing=True)
    relays.off(1, installing=True)
    relays = relay_fixture.make_relays()  # a new process after a kill
    assert relays.restore_after_install() == (1, 2, 3)
    assert relay_fixture.power == [True, False, True]
    assert relays.restore_after_install() == ()


def test_other_command_releases_stack_from_install(
    relay_fixture: RelayFixture,
) -> None:
    relays = relay_fixture.make_relays()
    for stack in (1, 2, 3):
        relays.off(stack, installing=True)
    relays.on(1)
    relays.off(2)  # a command that does not change the power
    assert relays.restore_after_install() == (3,)
    assert relay_fixture.power == [True, False, True]


@pytest.mark.parametrize(
    ("after_boot", "restored", "power"),
    [("restore", (2,), [True, False, True]), ("on", (), [True] * 3), ("off", (), [False] * 3)],
)
def test_after_boot_setting_releases_stack_from_install(
    tmp_path: Path, after_boot: AfterBoot, restored: tuple[int, ...], power: list[bool]
) -> None:
    fixture = RelayFixture(tmp_path, NORMALLY_CLOSED.model_copy(update={"after_boot": after_boot}))
    relays = fixture.make_relays()
    relays.off(2)
    relays.on(2, installing=True)
    fixture.reboot()
    assert fixture.make_relays().restore_after_install() == restored
    assert fixture.power == power
