"""Switch the stacks' relays through gpiozero.

Several stacks are switched as one: one transaction contains their commanded power and their edges,
then the pins are switched, with nothing in between, and a second transaction contains the times.

Startup adopts the level of each pin and switches no relay, unless the master has booted. If the
process is killed between the first transaction and a pin, the relay differs from the commanded
power. The next startup reports the difference as `CommandedPower.relay_differs`. It does not
complete the order, because the rasps may already be booting or shutting down. The next order for
the stack resolves the difference.

A stack that is off for a time has `CommandedPower.on_again_at`, from before its relay switches off
until its relay was switched on. The controller switches it on after that time. After a boot of the
master, startup switches it on.

Limitation: lgpio cannot read an output of an ended process without making the pin an input. On a
Raspberry Pi, such a pin is claimed at the level of the commanded power, which it already has unless
such a kill occurred. In that case, startup completes the order.
"""

import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import partial
from importlib.metadata import entry_points
from pathlib import Path

from gpiozero.exc import BadPinFactory, GPIOZeroError
from gpiozero.output_devices import OutputDevice
from gpiozero.pins import Factory, Pin

from rack import commanded_power
from rack.clock import seconds_since_boot
from rack.commanded_power import (
    CommandedPower,
    initial_power,
    next_power,
    power_after_switching,
)
from rack.database import Database
from rack.errors import DatabaseError, RelayError
from rack.layout import Rack
from rack.power_edges import Edge, Moment, PowerEdges, SwitchError
from rack.settings import RelayBoard

_SWITCH_INTERVAL = 0.0001
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")

_log = logging.getLogger(__name__)


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


class Relays:
    """The relays of a rack. Thread-safe.

    Startup applies `initial_power` to each stack. Relays keep their state when the process ends.

    Args:
        rack: Stacks with their pins, and the wiring of the relay board.
        database: Storage of the commanded power.
        factory: Creates the pin factory.
        boot_id: File with the id of this boot of the master.
        clock: Returns seconds since the boot of the master.
        wall_clock: Returns seconds since the epoch.
        sleep: Waits for seconds.

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
        wall_clock: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._rack = rack
        self._database = database
        self.edges = PowerEdges(database)
        self._clock = clock
        self._wall_clock = wall_clock
        self._sleep = sleep
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

    def on(self, stack: int, *, installing: bool = False, cause: str = "") -> None:
        """Switch a stack on. See `switch`."""
        self.switch({stack: True}, installing=installing, cause=cause)

    def off(self, stack: int, *, installing: bool = False, cause: str = "") -> None:
        """Switch a stack off at once, without a shutdown. See `switch`."""
        self.switch({stack: False}, installing=installing, cause=cause)

    def switch(
        self,
        power: Mapping[int, bool],
        *,
        at: float | None = None,
        on_again_at: float | None = None,
        installing: bool = False,
        cause: str = "",
    ) -> tuple[Edge, ...]:
        """Switch stacks as one: save all commands, then switch all pins. Return the changes.

        Args:
            power: Whether to switch a stack on, keyed by stack number, in the order of the pins.
            at: Seconds since the boot of the master at which to switch the pins. Other commands
                wait until then. By default, as soon as the commands are saved.
            on_again_at: `CommandedPower.on_again_at` of the stacks that are switched off.
            installing: Whether an install switches the stacks, which `restore_after_install`
                undoes. Such a command keeps `on_again_at`.
            cause: What switches the stacks, for example `order 12`.

        Raises:
            UnknownTargetError: If a stack does not exist.
            RelayError: If the relays cannot be used.
            SwitchError: If some relays cannot be switched.
            DatabaseError: If the commands cannot be saved. No relay was switched.
        """
        stacks = [self._rack.stack(number).number for number in power]
        self._require_working()
        with self._lock:
            command = partial(
                next_power,
                now=self._clock() if at is None else at,
                on_again_at=on_again_at,
                installing=installing,
            )
            commands = {
                stack: command(self._commanded[stack], is_on=power[stack]) for stack in stacks
            }
            return self._switch(commands, at=at, cause=cause or ("install" if installing else ""))

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
                previous = self._commanded[stack.number]
                command = next_power(previous, is_on=is_on, now=self._clock(), installing=True)
                # In case of a kill, the install holds the stack until its relay is switched.
                self._switch(
                    {stack.number: replace(command, power_before_install=is_on)}, cause="install"
                )
                final = self._commanded[stack.number]
                self._save(
                    {stack.number: replace(final, power_before_install=None, on_again_at=None)}
                )
        return tuple(stack.number for stack in power_by_stack)

    def is_on(self, stack: int) -> bool:
        """Return whether the commanded power is on. Raise the errors of `commanded`."""
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

    def now(self) -> Moment:
        """Return the current time on both clocks of the master."""
        return Moment(self._clock(), self._wall_clock())

    def _switch(
        self, commands: Mapping[int, CommandedPower], *, cause: str, at: float | None = None
    ) -> tuple[Edge, ...]:
        previous = {stack: self._commanded[stack] for stack in commands}
        now = self.now()
        planned = now if at is None else now + (at - now.monotonic)
        changes = [
            Edge(0, stack, power.is_on, cause, power.boot_id, planned)
            for stack, power in commands.items()
            if previous[stack].has_power != power.is_on
        ]
        edges = {edge.stack: edge for edge in self.edges.begin(commands, changes)}
        if at is not None:
            self._sleep(max(0.0, at - self._clock()))
        times, problems = self._drive(commands)
        switched = tuple(
            replace(edge, before=times[stack][0], after=times[stack][1])
            for stack, edge in edges.items()
            if stack in times
        )
        final = {
            stack: power_after_switching(power) if stack in times else previous[stack]
            for stack, power in commands.items()
        }
        self._complete(
            commands, final, switched, [edges[stack] for stack in problems if stack in edges]
        )
        if problems:
            raise SwitchError(problems, switched)
        return switched

    def _drive(
        self, commands: Mapping[int, CommandedPower]
    ) -> tuple[dict[int, tuple[Moment, Moment]], dict[int, str]]:
        """Switch pins, with nothing in between. Return the times and the problems of the stacks."""
        times, problems = {}, {}
        # By default, other threads keep the interpreter for up to 5 ms after each pin.
        interval = sys.getswitchinterval()
        sys.setswitchinterval(_SWITCH_INTERVAL)
        try:
            for stack, power in commands.items():
                before = self.now()
                try:
                    self._relays[stack].value = self._rack.relays.coil_state_for(power=power.is_on)
                except (GPIOZeroError, OSError) as error:
                    problems[stack] = f"the relay of stack {stack} could not be switched: {error}"
                else:
                    times[stack] = before, self.now()
        finally:
            sys.setswitchinterval(interval)
        return times, problems

    def _complete(
        self,
        commands: Mapping[int, CommandedPower],
        final: Mapping[int, CommandedPower],
        switched: tuple[Edge, ...],
        not_switched: Iterable[Edge],
    ) -> None:
        """Save what is known after the pins were switched, if this is more than the commands."""
        if final == commands and not switched:
            self._commanded |= final
            return
        try:
            self.edges.complete(final, switched, not_switched)
        except DatabaseError as error:
            _log.error("the times of power edges are not saved: %s", error)
            final = {  # as in the database, so that the power is switched on again after a kill
                stack: replace(power, on_again_at=commands[stack].on_again_at)
                for stack, power in final.items()
            }
        self._commanded |= final

    def _save(self, powers: Mapping[int, CommandedPower]) -> None:
        commanded_power.save(self._database, powers)
        self._commanded |= powers

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
