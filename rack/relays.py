"""The relays: one a stack, driven through gpiozero so that nothing but an order moves them.

What was commanded is kept in pirack.db *before* the relay moves. Should this process be killed
between the two, the next start finishes what was ordered; the other way round it would undo it,
and give power to a stack that was just cut, or cut one that has just begun to boot.
"""

import os
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from importlib.metadata import entry_points
from pathlib import Path

from gpiozero.exc import BadPinFactory, GPIOZeroError
from gpiozero.output_devices import OutputDevice
from gpiozero.pins import Factory, Pin

from rack import commanded_power
from rack.commanded_power import CommandedPower
from rack.database import Database
from rack.errors import RelayError
from rack.layout import AfterBoot, Rack, RelayBoard, Stack

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def pin_factory() -> Factory:
    """Make the pin factory that GPIOZERO_PIN_FACTORY names; `latching` where it names none.

    Raises:
        BadPinFactory: there is none of that name, or it would let go of its pins.
        GPIOZeroError, ImportError, OSError: it does not work on this machine.
    """
    name = os.environ.get("GPIOZERO_PIN_FACTORY", "latching")
    for entry_point in entry_points(group="gpiozero_pin_factories", name=name):
        factory: Factory = entry_point.load()()
        if not getattr(factory, "is_latching", False):
            raise BadPinFactory(
                f"GPIOZERO_PIN_FACTORY={name} lets go of its pins when the controller ends,"
                " and every relay would move: name latching"
            )
        return factory
    raise BadPinFactory(f"there is no pin factory {name!r}: name latching, or install PiRack anew")


def initial_power(
    previous: CommandedPower | None,
    current: bool,
    after_boot: AfterBoot,
    boot_id: str,
    now: float,
) -> CommandedPower:
    """Decide which power a stack is to have when the controller starts.

    Args:
        previous: what was last commanded; None where nothing ever was.
        current: whether the stack has power as its relay stands: what is to stay where nothing was
            commanded, for whoever wired it has it as they want it.
        after_boot: rack.toml's word for the case that the master has booted since.
        boot_id: this boot of the master.
        now: seconds since the epoch.
    """
    if previous is None:
        return CommandedPower(current, now, boot_id)
    is_on = previous.is_on
    if previous.boot_id != boot_id and after_boot != "restore":
        is_on = after_boot == "on"
        previous = replace(
            previous, power_before_install=None
        )  # no install has what rack.toml has set
    since = previous.since if is_on == previous.is_on else now
    return replace(previous, is_on=is_on, since=since, boot_id=boot_id)


class Relays:
    """The relays of a rack. Safe to be called from several threads.

    Making it takes over each relay as it is: see `initial_power`. Nothing gives a relay back: it stays
    as it is when the process ends, in whatever way.

    Args:
        rack: its stacks' pins, and how the relay board is wired.
        database: keeps what was commanded.
        factory: makes the pins.
        boot_id: the file that names this boot of the master.
        clock: seconds since the epoch.

    Raises:
        DatabaseError: the database cannot be used; no relay was touched.
    """

    error: str = ""
    """Why the relays cannot be driven on this machine; empty where they can."""

    def __init__(
        self,
        rack: Rack,
        database: Database,
        *,
        factory: Callable[[], Factory] = pin_factory,
        boot_id: Path = _BOOT_ID,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._rack = rack
        self._database = database
        self._clock = clock
        self._lock = threading.Lock()
        self._commanded: dict[int, CommandedPower] = {}
        self._relays: dict[int, OutputDevice] = {}
        try:
            self._claim_all(factory(), boot_id.read_text(encoding="ascii").strip())
        except (GPIOZeroError, ImportError, OSError) as error:
            self.error = f"the relays cannot be driven: {error} (see docs/wiring.md)"

    def _claim_all(self, factory: Factory, boot_id: str) -> None:
        board = self._rack.relays
        before = commanded_power.load_all(self._database)
        now = self._clock()
        self._commanded = {
            stack.number: initial_power(
                before.get(stack.number),
                _has_power(factory.pin(stack.pin), board),
                board.after_boot,
                boot_id,
                now,
            )
            for stack in self._rack.stacks
        }
        commanded_power.save(self._database, self._commanded)
        self._relays = {
            stack.number: OutputDevice(
                stack.pin,
                active_high=board.active_high,
                initial_value=board.coil_state_for(power=self._commanded[stack.number].is_on),
                pin_factory=factory,
            )
            for stack in self._rack.stacks
        }

    def on(self, stack: int, *, installing: bool = False) -> None:
        """Give a stack power; with `installing`, until `give_back`.

        Raises:
            UnknownPlace: there is no such stack.
            RelayError: its relay cannot be driven.
            DatabaseError: what is commanded cannot be kept; the relay was not touched.
        """
        self._command(self._rack.stack(stack), is_on=True, installing=installing)

    def off(self, stack: int, *, installing: bool = False) -> None:
        """Cut a stack's power, at once, whatever runs on it. Raises what `on` raises."""
        self._command(self._rack.stack(stack), is_on=False, installing=installing)

    def restore_after_install(self) -> tuple[int, ...]:
        """Give each stack that an install still has the power that it had before; return these.

        A stack that was commanded since in any other way is no longer the install's.

        Raises:
            RelayError: a relay cannot be driven.
            DatabaseError: what is commanded cannot be kept; that relay was not touched.
        """
        self._require_working()
        with self._lock:
            taken = {
                stack: power.power_before_install
                for stack in self._rack.stacks
                if (power := self._commanded[stack.number]).power_before_install is not None
            }
            for stack, is_on in taken.items():
                self._switch(stack, is_on=is_on, before_install=None)
        return tuple(stack.number for stack in taken)

    def is_on(self, stack: int) -> bool:
        """Tell whether a stack was commanded to have power. Raises what `on` raises."""
        return self.commanded(stack).is_on

    def commanded(self, stack: int) -> CommandedPower:
        """Return what a stack was last commanded to have, and since when.

        Raises:
            UnknownPlace: there is no such stack.
            RelayError: the relays cannot be driven, so nobody can tell.
        """
        number = self._rack.stack(stack).number
        self._require_working()
        return self._commanded[number]

    def all_commanded(self) -> Mapping[int, CommandedPower]:
        """Return what each stack was last commanded to have; nothing where nobody can tell."""
        return {} if self.error else dict(self._commanded)

    def _command(self, stack: Stack, *, is_on: bool, installing: bool) -> None:
        self._require_working()
        with self._lock:
            before = self._commanded[stack.number]
            found = (
                before.is_on if before.power_before_install is None else before.power_before_install
            )
            self._switch(stack, is_on=is_on, before_install=found if installing else None)

    def _switch(self, stack: Stack, *, is_on: bool, before_install: bool | None) -> None:
        before = self._commanded[stack.number]
        since = before.since if before.is_on == is_on else self._clock()
        after = replace(before, is_on=is_on, since=since, power_before_install=before_install)
        self._save(stack, after)
        try:
            self._relays[stack.number].value = self._rack.relays.coil_state_for(power=is_on)
        except (GPIOZeroError, OSError) as error:
            self._save(stack, before)
            raise RelayError(f"the relay of stack {stack.number} did not move: {error}") from error

    def _save(self, stack: Stack, power: CommandedPower) -> None:
        commanded_power.save(self._database, {stack.number: power})
        self._commanded[stack.number] = power

    def _require_working(self) -> None:
        if self.error:
            raise RelayError(self.error)


def _has_power(pin: Pin, board: RelayBoard) -> bool:
    """Tell whether a stack has power as its relay stands, before the pin is claimed."""
    if pin.function == "input":
        return board.power_when(energised=False)
    if pin.state is None:
        # Another program has driven it, and reading its level would let go of it. Should it be
        # off, power does less harm than a cut would, should it be on.
        return True
    return board.power_when(energised=bool(pin.state) == board.active_high)
