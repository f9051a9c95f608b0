"""Virtual rack with rasps, temperatures and relays."""

import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping

from rack.errors import PiRackError
from rack.inventory import Rasp
from rack.layout import Rack, Slot, Stack
from virtual_rack.faults import Fault
from virtual_rack.rasp import Phase, VirtualRasp
from virtual_rack.relays import PinState, VirtualRelays
from virtual_rack.thermal import IDLE_WATTS, ThermalEnvironment, steady_state, step

_HOT_RESISTANCE_FACTOR = 2.2  # by which `hot` multiplies the thermal resistance


class UnsupportedFaultError(PiRackError):
    """This kind of virtual rack does not support the requested fault."""


class VirtualRack:
    """A virtual rack. Thread-safe.

    Initially the mains power is off, and the pins of the master are inputs.

    Args:
        rack: Layout of the rack.
        rasps: One rasp for each slot.
        unsupported_faults: Faults that the rasps do not support, with reasons.
        clock: Monotonic clock, in seconds.
    """

    defers_power = False
    """Whether the power of the rasps follows their relays only at the next `update_power`.

    Stopping rasps takes time, in which the relay of another stack could not be switched.
    """

    def __init__(
        self,
        rack: Rack,
        rasps: Iterable[VirtualRasp],
        *,
        unsupported_faults: Mapping[Fault, str] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.rack = rack
        self._unsupported_faults = unsupported_faults or {}
        self._clock = clock
        self._environment = ThermalEnvironment()
        self._lock = threading.Lock()
        self._relay_lock = threading.Lock()  # the inner one, never held while rasps start or stop
        self._switched: deque[tuple[Stack, bool]] = deque()
        self._advanced_at = clock()
        self._relays = VirtualRelays(rack)
        self._has_main_power = False
        self._rasps = {rasp.slot.id: rasp for rasp in rasps}
        for stack in rack.stacks:
            idle = steady_state([IDLE_WATTS] * len(stack.slots), self._environment)
            for slot, temperature in zip(stack.slots, idle, strict=True):
                self._rasps[slot.id].board.temperature = temperature

    def inventory(self) -> list[Rasp]:
        """Return the inventory that an install would create."""
        return [
            Rasp(rasp.slot.stack, rasp.slot.number, rasp.mac, rasp.address)
            for rasp in self._rasps.values()
        ]

    def power_on(self) -> None:
        """Switch the mains power on. The relays determine which stacks have power."""
        with self._lock:
            self._has_main_power = True
            for stack in self.rack.stacks:
                self._update_stack_power(stack)

    def pin(self, number: int) -> PinState:
        """Return the state of a pin of the master.

        Raises:
            UnknownTargetError: If the pin has no relay.
        """
        with self._relay_lock:
            return self._relays.pin(number)

    def drive(self, number: int, state: PinState) -> None:
        """Set the state of a pin of the master, which moves its relay at once.

        Raises:
            UnknownTargetError: If the pin has no relay.
        """
        with self._relay_lock:
            stack = self._relays.drive(number, state)
            self._switched.append((stack, self._relays.has_power(stack.number)))
        if not self.defers_power:
            self.update_power()

    def update_power(self) -> None:
        """Start or stop the rasps of all stacks whose relays have moved."""
        with self._lock:
            self._update_switched()

    def _update_switched(self) -> None:
        while self._switched:
            stack, has_power = self._switched.popleft()
            self._set_stack_power(stack, has_power=has_power)

    def _update_stack_power(self, stack: Stack) -> None:
        with self._relay_lock:
            has_power = self._relays.has_power(stack.number)
        self._set_stack_power(stack, has_power=has_power)

    def _set_stack_power(self, stack: Stack, *, has_power: bool) -> None:
        has_power = self._has_main_power and has_power
        for slot in stack.slots:
            rasp = self._rasps[slot.id]
            if has_power and not rasp.is_powered:
                rasp.power_on(self._clock())
            elif not has_power:
                rasp.power_off()

    def advance(self) -> None:
        """Simulate the time since the last call.

        Raises:
            OSError: If another program uses an address of the rack.
        """
        with self._lock:
            self._update_switched()
            now = self._clock()
            seconds = max(0.0, now - self._advanced_at)
            self._advanced_at = now
            for stack in self.rack.stacks:
                self._update_temperatures(stack, now, seconds)
            for rasp in self._rasps.values():
                rasp.advance(now, seconds)

    def _update_temperatures(self, stack: Stack, now: float, seconds: float) -> None:
        rasps = [self._rasps[slot.id] for slot in stack.slots]
        watts = [rasp.watts(now) for rasp in rasps]
        targets = steady_state(watts, self._environment)
        for i, rasp in enumerate(rasps):
            if Fault.HOT in rasp.faults:
                targets[i] += watts[i] * self._environment.resistance * (_HOT_RESISTANCE_FACTOR - 1)
        temperatures = step(
            [rasp.board.temperature for rasp in rasps], targets, seconds, self._environment
        )
        for rasp, temperature in zip(rasps, temperatures, strict=True):
            rasp.board.temperature = temperature

    def inject_fault(self, slots: Collection[Slot], fault: Fault) -> None:
        """Inject a fault into the rasps in these slots.

        Raises:
            UnsupportedFaultError: If this rack does not support the fault.
        """
        if fault in self._unsupported_faults:
            raise UnsupportedFaultError(f"{fault}: {self._unsupported_faults[fault]}")
        with self._lock:
            if fault is Fault.STUCK_RELAY:
                with self._relay_lock:
                    self._relays.stick({slot.stack for slot in slots})
                return
            self._update_switched()
            for slot in slots:
                self._rasps[slot.id].inject_fault(fault, self._clock())

    def clear_fault(self, slots: Collection[Slot], fault: Fault | None = None) -> None:
        """Clear one fault, or by default all faults, of the rasps in these slots."""
        with self._lock:
            if fault in {None, Fault.STUCK_RELAY}:
                stacks = {slot.stack for slot in slots}
                self._update_switched()
                with self._relay_lock:
                    self._relays.release(stacks)
                for stack in stacks:
                    self._update_stack_power(self.rack.stack(stack))
            for slot in slots:
                for cleared in [fault] if fault else list(Fault):
                    self._rasps[slot.id].clear_fault(cleared, self._clock())

    def status(self) -> Mapping[str, tuple[Phase, frozenset[Fault]]]:
        """Return the phase and the faults of each rasp, keyed by the name of the rasp."""
        with self._lock:
            self._update_switched()
            return {
                rasp.slot.name: (
                    rasp.phase(self._clock()),
                    rasp.faults | self._stack_faults(rasp.slot.stack),
                )
                for rasp in self._rasps.values()
            }

    def _stack_faults(self, stack: int) -> frozenset[Fault]:
        with self._relay_lock:
            return frozenset({Fault.STUCK_RELAY} if self._relays.is_stuck(stack) else ())

    def stack_power(self) -> Mapping[str, tuple[bool, int]]:
        """Return for each stack, keyed by its name, the power and the number of relay moves."""
        with self._relay_lock:
            return {
                stack.name: (
                    self._relays.has_power(stack.number),
                    self._relays.moves(stack.number),
                )
                for stack in self.rack.stacks
            }

    def close(self) -> None:
        """Cut the power and release all sockets and processes."""
        with self._lock:
            for rasp in self._rasps.values():
                rasp.power_off()
            for rasp in self._rasps.values():
                rasp.close()
