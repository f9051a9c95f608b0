"""Commanded power and the relays that follow it, on the pins of a virtual rack."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.aliases import DEFAULT_PATH
from exporter.aliases import load as load_aliases
from rack import commanded_power
from rack.commanded_power import CommandedPower
from rack.database import Database
from rack.errors import DatabaseError, RelayError, UnknownTargetError
from rack.gpio_persistence import persists_outputs
from rack.layout import AfterBoot, Contact, RelayBoard
from rack.layout_file import load
from rack.relays import Relays, initial_power, pin_factory
from virtual_rack import control
from virtual_rack.faults import Fault
from virtual_rack.loopback import LoopbackOptions, loopback_rack
from virtual_rack.pins import VirtualFactory

WHOLE_RACK = load(Path("rack.toml"))
RACK_OF_3 = replace(WHOLE_RACK, stacks=WHOLE_RACK.stacks[:3])
ALIASES = load_aliases(DEFAULT_PATH)
NORMALLY_CLOSED = RelayBoard(active_high=True, contact="normally_closed")


class RelayFixture:
    """A virtual rack, and the master's database and boot."""

    def __init__(self, folder: Path, board: RelayBoard = NORMALLY_CLOSED) -> None:
        self.layout = replace(RACK_OF_3, relays=board)
        self.rack = loopback_rack(self.layout, ALIASES, folder, LoopbackOptions(boot_seconds=0))
        self.rack.power_on()
        self.database = Database(folder / "pirack.db")
        self.boot_id = folder / "boot_id"
        self.boot_id.write_text("first\n")
        self.now = 1000.0

    def make_relays(self) -> Relays:
        """Start the controller's part that has the relays."""
        return Relays(
            self.layout,
            self.database,
            factory=lambda: VirtualFactory(partial(control.handle, self.rack)),
            boot_id=self.boot_id,
            clock=lambda: self.now,
        )

    @property
    def power(self) -> list[bool]:
        """Whether each stack has power."""
        return [has_power for has_power, _ in self.rack.stack_power().values()]

    @property
    def switch_counts(self) -> list[int]:
        """How often each relay has moved."""
        return [moves for _, moves in self.rack.stack_power().values()]

    def reboot(self) -> None:
        """Boot the master: its pins are inputs again, and its boot has another id."""
        self.rack = loopback_rack(
            self.layout, ALIASES, self.boot_id.parent, LoopbackOptions(boot_seconds=0)
        )
        self.rack.power_on()
        self.boot_id.write_text(f"after {self.boot_id.read_text()}")


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
def test_every_stack_has_the_power_it_was_commanded_to_have_and_no_relay_moves_but_its_own(
    active_high: bool, contact: Contact, orders: list[tuple[int, str]]
) -> None:
    with temporary_relay_fixture(RelayBoard(active_high, contact)) as room:
        expected = [contact == "normally_closed"] * 3
        moves = [0, 0, 0]
        relays = room.make_relays()
        for stack, what in orders:
            if what == "restart":
                relays = room.make_relays()
            else:
                (relays.on if what == "on" else relays.off)(stack)
                moves[stack - 1] += expected[stack - 1] != (what == "on")
                expected[stack - 1] = what == "on"
            assert room.power == expected
            assert [relays.is_on(number) for number in (1, 2, 3)] == expected
            assert room.switch_counts == moves


def test_a_stack_keeps_the_time_of_the_order_that_made_it_as_it_is(
    relay_fixture: RelayFixture,
) -> None:
    relays = relay_fixture.make_relays()
    relay_fixture.now = 2000.0
    relays.off(2)
    relay_fixture.now = 3000.0
    relays.off(2)
    assert relays.commanded(2).since == 2000.0
    assert relay_fixture.make_relays().commanded(2).since == 2000.0


def test_what_was_kept_before_a_kill_is_done_at_the_next_start(relay_fixture: RelayFixture) -> None:
    before = relay_fixture.make_relays().commanded(2)
    commanded_power.save(relay_fixture.database, {2: replace(before, is_on=False)})
    assert relay_fixture.power == [True, True, True]
    relay_fixture.make_relays()
    assert relay_fixture.power == [True, False, True]
    assert relay_fixture.switch_counts == [0, 1, 0]


@pytest.mark.parametrize(
    ("after_boot", "expected"),
    [
        ("restore", [True, False, True]),
        ("on", [True, True, True]),
        ("off", [False, False, False]),
    ],
)
def test_after_a_boot_of_the_master_the_stacks_have_the_power_that_rack_toml_says(
    tmp_path: Path, after_boot: AfterBoot, expected: list[bool]
) -> None:
    room = RelayFixture(tmp_path, replace(NORMALLY_CLOSED, after_boot=after_boot))
    room.make_relays().off(2)
    room.make_relays()
    assert room.power == [True, False, True]
    room.reboot()
    assert room.power == [True, True, True]
    relays = room.make_relays()
    assert room.power == expected
    relays.on(2)
    room.make_relays()
    assert room.power == [expected[0], True, expected[2]]


BOOT_IDS = st.sampled_from(["this", "earlier"])
COMMANDED = st.builds(CommandedPower, st.booleans(), st.just(1.0), BOOT_IDS)


@given(before=COMMANDED, found=st.booleans(), after_boot=st.sampled_from(["restore", "on", "off"]))
def test_only_a_boot_and_the_word_of_rack_toml_change_what_was_commanded(
    before: CommandedPower, found: bool, after_boot: AfterBoot
) -> None:
    after = initial_power(before, found, after_boot, "this", 2.0)
    if before.boot_id == "this" or after_boot == "restore":
        assert after.is_on == before.is_on
    else:
        assert after.is_on == (after_boot == "on")
    assert after.since == (1.0 if after.is_on == before.is_on else 2.0)
    assert after.boot_id == "this"


def test_a_stack_that_joins_the_rack_later_stays_as_it_is_whatever_boots_bring(
    tmp_path: Path,
) -> None:
    room = RelayFixture(tmp_path, replace(NORMALLY_CLOSED, after_boot="off"))
    whole, room.layout = room.layout, replace(room.layout, stacks=room.layout.stacks[:2])
    room.make_relays()
    room.layout = whole
    room.reboot()
    room.make_relays()
    assert room.power == [False, False, True]


def test_a_stuck_relay_stays_where_it_is_until_it_is_healed(relay_fixture: RelayFixture) -> None:
    relays = relay_fixture.make_relays()
    relay_fixture.rack.inject_fault(relay_fixture.layout.stacks[1].slots, Fault.STUCK_RELAY)
    relays.off(2)
    assert not relays.is_on(2)
    assert relay_fixture.power == [True, True, True]
    assert relay_fixture.rack.status()["02-1"][1] == {Fault.STUCK_RELAY}
    relay_fixture.rack.clear_fault(relay_fixture.layout.slots)
    assert relay_fixture.power == [True, False, True]


def test_a_stack_that_is_not_there_is_refused(relay_fixture: RelayFixture) -> None:
    with pytest.raises(UnknownTargetError, match="no stack 4: this rack has stacks 1 to 3"):
        relay_fixture.make_relays().off(4)
    assert relay_fixture.switch_counts == [0, 0, 0]


def test_a_database_that_cannot_be_written_leaves_the_relays_alone(
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
    ("name", "why"),
    [
        ("mock", "GPIOZERO_PIN_FACTORY=mock lets go of its pins"),
        ("latsching", "there is no pin factory 'latsching'"),
        ("virtual_rack", "PIRACK_VIRTUAL_RACK is not set"),
    ],
)
def test_pins_that_will_not_do_are_refused_with_the_reason(
    relay_fixture: RelayFixture, monkeypatch: pytest.MonkeyPatch, name: str, why: str
) -> None:
    monkeypatch.setenv("GPIOZERO_PIN_FACTORY", name)
    monkeypatch.delenv("PIRACK_VIRTUAL_RACK", raising=False)
    relays = Relays(relay_fixture.layout, relay_fixture.database, factory=pin_factory)
    assert why in relays.error
    with pytest.raises(RelayError, match="the relays cannot be driven"):
        relays.off(1)
    assert commanded_power.load_all(relay_fixture.database) == {}


def write_pi_files(root: Path, compatible: str, **drivers: str) -> Path:
    device_tree = root / "proc" / "device-tree"
    device_tree.mkdir(parents=True)
    (device_tree / "compatible").write_bytes(compatible.replace(" ", "\0").encode() + b"\0")
    for driver, value in drivers.items():
        parameters = root / "sys" / "module" / driver / "parameters"
        parameters.mkdir(parents=True)
        (parameters / "persist_gpio_outputs").write_text(f"{value}\n")
    return root


PI_4 = "raspberrypi,4-model-b brcm,bcm2711"
PI_5 = "raspberrypi,5-model-b brcm,bcm2712"


def test_what_the_kernel_does_with_released_pins_is_told_by_the_headers_driver(
    tmp_path: Path,
) -> None:
    pi_4 = write_pi_files(tmp_path / "4", PI_4, pinctrl_bcm2835="Y", pinctrl_rp1="N")
    pi_5 = write_pi_files(tmp_path / "5", PI_5, pinctrl_bcm2835="Y", pinctrl_rp1="N")
    assert persists_outputs(pi_4) is True
    assert persists_outputs(pi_5) is False


def test_what_the_kernel_does_with_released_pins_is_not_guessed(tmp_path: Path) -> None:
    assert persists_outputs(tmp_path) is None
    assert persists_outputs(write_pi_files(tmp_path / "4", PI_4)) is None
    assert persists_outputs(write_pi_files(tmp_path / "odd", PI_4, pinctrl_bcm2835="?")) is None


def test_an_install_gives_each_stack_the_power_back_that_it_found(
    relay_fixture: RelayFixture,
) -> None:
    relays = relay_fixture.make_relays()
    relays.off(2)
    for stack in (1, 2, 3):
        relays.off(stack, installing=True)
        relays.on(stack, installing=True)
    relays.off(1, installing=True)
    relays = relay_fixture.make_relays()  # as after a kill: what was found is kept
    assert relays.restore_after_install() == (1, 2, 3)
    assert relay_fixture.power == [True, False, True]
    assert relays.restore_after_install() == ()


def test_a_stack_that_was_ordered_otherwise_since_is_no_longer_the_installs(
    relay_fixture: RelayFixture,
) -> None:
    relays = relay_fixture.make_relays()
    for stack in (1, 2, 3):
        relays.off(stack, installing=True)
    relays.on(1)
    relays.off(2)  # as it is already, but on purpose now
    assert relays.restore_after_install() == (3,)
    assert relay_fixture.power == [True, False, True]


@pytest.mark.parametrize(
    ("after_boot", "given_back", "power"),
    [("restore", (2,), [True, False, True]), ("on", (), [True] * 3), ("off", (), [False] * 3)],
)
def test_what_rack_toml_sets_after_a_boot_is_no_longer_the_installs(
    tmp_path: Path, after_boot: AfterBoot, given_back: tuple[int, ...], power: list[bool]
) -> None:
    room = RelayFixture(tmp_path, RelayBoard(True, "normally_closed", after_boot))
    relays = room.make_relays()
    relays.off(2)
    relays.on(2, installing=True)
    room.reboot()
    assert room.make_relays().restore_after_install() == given_back
    assert room.power == power
