"""Switch the stacks' relays through gpiozero.

Startup adopts the level of each pin and switches no relay, unless the master has booted. The
commanded power is saved in pirack.db before the relay is switched. If the process is killed between
the two steps, the relay differs from the commanded power. The next startup reports the difference
as `CommandedPower.relay_differs`. It does not complete the order, because the rasps may already be
booting or shutting down. The next order for the stack resolves the difference.

Limitation: lgpio cannot read an output of an ended process without making the pin an input. On a
Raspberry Pi, such a pin is claimed at the level of the commanded power. The pin already has this
level unless the process was killed between the two steps. After such a kill, the next startup
completes the order.
"""

import os
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from importlib.metadata import entry_points
from pathlib import Path

from gpiozero.exc import BadPinFactory, GPIOZeroError
from gpiozero.output_devices import OutputDevice
from gpiozero.pins import Factory, Pin

from rack import commanded_power
from rack.clock import seconds_since_boot
from rack.commanded_power import CommandedPower
from rack.database import Database
from rack.errors import RelayError
from rack.layout import Rack, Stack
from rack.settings import AfterBoot, RelayBoard

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def pin_factory() -> Factory:
    """Return the pin factory that GPIOZERO_PIN_FACTORY names, `latching` by default.

    Raises:
        BadPinFactory: If the factory does not exist or does not keep its pins' levels.
        GPIOZeroError, ImportError, OSError: If the factory does not work on this machine.
    """
    name = os.environ.get("GPIOZERO_PIN_FACTORY", "latching")
    for entry_point in entry_points(group="gpiozero_pin_factories", name=name):
        factory: Factory = entry_point.load()()
        if not getattr(factory, "is_latching", False):
            raise BadPinFactory(
                f"GPIOZERO_PIN_FACTORY={name} releases its pins when the controller stops,"
                " which would switch every relay: use latching"
            )
        return factory
    raise BadPinFactory(f"unknown pin factory {name!r}: use latching, or reinstall PiRack")


def initial_power(
    previous: CommandedPower | None,
    current: bool | None,
    after_boot: AfterBoot,
    boot_id: str,
    now: float,
) -> CommandedPower:
    """Return the commanded power of a stack at startup, and whether its relay differs.

    Args:
        previous: Last commanded power, or None if there was no command yet.
        current: Power that the relay supplies, or None if it cannot be read. It stays if there was
            no command yet, or the master has not booted since the last command.
        after_boot: Setting `relays.after_boot`, applied if the master has booted since the last
            command.
        boot_id: Id of this boot of the master.
        now: Seconds since this boot of the master.
    """
    if previous is None:
        # Switching a stack on by mistake does less harm than cutting its power.
        return CommandedPower(current is not False, now, boot_id)
    if previous.boot_id == boot_id:
        return replace(previous, relay_differs=current not in {None, previous.is_on})
    is_on = previous.is_on
    if after_boot != "restore":
        is_on = after_boot == "on"
        previous = replace(previous, power_before_install=None)
    return replace(previous, is_on=is_on, since=now, boot_id=boot_id)


class Relays:
    """The relays of a rack. Thread-safe.

    Startup applies `initial_power` to each stack. Relays keep their state when the process ends.

    Args:
        rack: Stacks with their pins, and the wiring of the relay board.
        database: Storage of the commanded power.
        factory: Creates the pin factory.
        boot_id: File with the id of this boot of the master.
        clock: Returns seconds since the boot of the master.

    Raises:
        DatabaseError: If the database cannot be used. No relay was switched, unless the master has
            booted.
    """

    error: str = ""
    """Reason why the relays cannot be used on this machine, or an empty string."""

    def __init__(
        self,
        rack: Rack,
        database: Database,
        *,
        factory: Callable[[], Factory] = pin_factory,
        boot_id: Path = _BOOT_ID,
        clock: Callable[[], float] = seconds_since_boot,
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
            self.error = f"the relays cannot be used: {error} (see docs/how-to/wiring.md)"

    def _claim_all(self, factory: Factory, boot_id: str) -> None:
        board = self._rack.relays
        previous = commanded_power.load_all(self._database)
        now = self._clock()
        initial = {
            stack.number: initial_power(
                previous.get(stack.number),
                _has_power(factory.pin(stack.pin), board),
                board.after_boot,
                boot_id,
                now,
            )
            for stack in self._rack.stacks
        }
        # The new boot id is saved last. After a kill, the next startup applies `after_boot` again.
        unclaimed = {
            stack: replace(power, boot_id=previous[stack].boot_id) if stack in previous else power
            for stack, power in initial.items()
        }
        commanded_power.save(self._database, unclaimed)
        self._relays = {
            stack.number: OutputDevice(
                stack.pin,
                active_high=board.active_high,
                initial_value=board.coil_state_for(power=initial[stack.number].has_power),
                pin_factory=factory,
            )
            for stack in self._rack.stacks
        }
        if unclaimed != initial:
            commanded_power.save(self._database, initial)
        self._commanded = initial

    def on(self, stack: int, *, installing: bool = False) -> None:
        """Switch a stack on.

        Args:
            stack: Number of the stack.
            installing: Whether an install switches the stack, which `restore_after_install` undoes.

        Raises:
            UnknownTargetError: If the stack does not exist.
            RelayError: If its relay cannot be switched.
            DatabaseError: If the command cannot be saved. The relay was not switched.
        """
        self._command(self._rack.stack(stack), is_on=True, installing=installing)

    def off(self, stack: int, *, installing: bool = False) -> None:
        """Switch a stack off at once, without a shutdown. Args and errors are those of `on`."""
        self._command(self._rack.stack(stack), is_on=False, installing=installing)

    def restore_after_install(self) -> tuple[int, ...]:
        """Restore the previous power of all stacks held by an install. Return their numbers.

        Any other command releases a stack from the install.

        Raises:
            RelayError: If a relay cannot be switched.
            DatabaseError: If a command cannot be saved. The next call repeats the command.
        """
        self._require_working()
        with self._lock:
            power_by_stack = {
                stack: power.power_before_install
                for stack in self._rack.stacks
                if (power := self._commanded[stack.number]).power_before_install is not None
            }
            for stack, is_on in power_by_stack.items():
                # In case of a kill, the install holds the stack until its relay is switched.
                self._switch(stack, is_on=is_on, before_install=is_on)
                self._save(stack, replace(self._commanded[stack.number], power_before_install=None))
        return tuple(stack.number for stack in power_by_stack)

    def is_on(self, stack: int) -> bool:
        """Return whether the commanded power of a stack is on. Raise the errors of `commanded`."""
        return self.commanded(stack).is_on

    def has_power(self, stack: int) -> bool:
        """Return whether the relay of a stack supplies power, as far as is known.

        The result differs from `is_on` after an interrupted order. Raise the errors of `commanded`.
        """
        return self.commanded(stack).has_power

    def commanded(self, stack: int) -> CommandedPower:
        """Return the commanded power of a stack.

        Raises:
            UnknownTargetError: If the stack does not exist.
            RelayError: If the relays cannot be used, and the power is therefore unknown.
        """
        number = self._rack.stack(stack).number
        self._require_working()
        return self._commanded[number]

    def all_commanded(self) -> Mapping[int, CommandedPower]:
        """Return the commanded power for each stack number, or an empty mapping if unknown."""
        return {} if self.error else dict(self._commanded)

    def _command(self, stack: Stack, *, is_on: bool, installing: bool) -> None:
        self._require_working()
        with self._lock:
            previous = self._commanded[stack.number]
            before_install = previous.power_before_install
            if before_install is None:
                before_install = previous.is_on
            self._switch(stack, is_on=is_on, before_install=before_install if installing else None)

    def _switch(self, stack: Stack, *, is_on: bool, before_install: bool | None) -> None:
        previous = self._commanded[stack.number]
        is_change = previous.relay_differs or previous.is_on != is_on
        power = replace(
            previous,
            is_on=is_on,
            since=self._clock() if is_change else previous.since,
            power_before_install=before_install,
            relay_differs=previous.relay_differs and previous.is_on == is_on,
        )
        self._save(stack, power)
        try:
            self._relays[stack.number].value = self._rack.relays.coil_state_for(power=is_on)
        except (GPIOZeroError, OSError) as error:
            self._save(stack, previous)
            raise RelayError(
                f"the relay of stack {stack.number} could not be switched: {error}"
            ) from error
        self._commanded[stack.number] = replace(power, relay_differs=False)

    def _save(self, stack: Stack, power: CommandedPower) -> None:
        commanded_power.save(self._database, {stack.number: power})
        self._commanded[stack.number] = power

    def _require_working(self) -> None:
        if self.error:
            raise RelayError(self.error)


def _has_power(pin: Pin, board: RelayBoard) -> bool | None:
    """Return whether a stack has power before its pin is claimed, or None if this is unknown."""
    if pin.function == "input":
        return board.power_when(energized=False)
    if pin.state is None:
        return None
    return board.power_when(energized=bool(pin.state) == board.active_high)
