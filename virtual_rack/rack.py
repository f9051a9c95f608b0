"""Virtual rack with rasps, temperatures and outlets."""

import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path

from rack.inventory import Rasp
from rack.layout import Outlet, Rack, Slot, Stack
from virtual_rack.faults import Fault, UnsupportedFaultError
from virtual_rack.outlets.device import OUTLET_FAULTS
from virtual_rack.outlets.power_sources import PowerSources
from virtual_rack.rasp import Phase, VirtualRasp
from virtual_rack.relays import PinState, VirtualRelays
from virtual_rack.thermal import IDLE_WATTS, ThermalEnvironment, steady_state, step

_HOT_RESISTANCE_FACTOR = 2.2  # by which `hot` multiplies the thermal resistance


class VirtualRack:
    """A virtual rack. Thread-safe.

    Initially the mains power is off, and the pins of the master are inputs.

    Args:
        rack: Layout of the rack.
        rasps: One rasp for each slot.
        state: State folder, for the files of the power sources.
        unsupported_faults: Faults that the rasps do not support, with reasons.
        clock: Monotonic clock, in seconds.
    """

    defers_power = False
    """Whether the power of the rasps follows their outlets only at the next `update_power`.

    Stopping rasps takes time, in which another outlet could not be switched.
    """

    def __init__(
        self,
        rack: Rack,
        rasps: Iterable[VirtualRasp],
        state: Path,
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
        self._switched: deque[tuple[Outlet, bool]] = deque()
        self._advanced_at = clock()
        self._relays = VirtualRelays(rack)
        self.power_sources = PowerSources(
            rack,
            state / "outlets",
            on_switch=self._switch,
            watts=self._watts,
            update_power=self.update_power,
        )
        self._has_main_power = False
        self._rasps = {rasp.slot.id: rasp for rasp in rasps}
        self._watts_of_slots: Mapping[int, float] = {}
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
        """Switch the mains power on, which starts the power sources.

        The outlets determine which rasps have power.

        Raises:
            PiRackError: If an address or the credentials of a power source cannot be used.
            ProgramError: If a program of a power source is not available.
        """
        self.power_sources.start()
        with self._lock:
            self._has_main_power = True
            for outlet in self.rack.outlets:
                self._update_outlet_power(outlet)

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
            outlet = self._relays.drive(number, state)
            self._switched.append((outlet, self._relays.has_power(outlet)))
        if not self.defers_power:
            self.update_power()

    def _switch(self, outlet: Outlet, power: bool) -> None:
        """Move the contact of an outlet of a power source."""
        with self._relay_lock:
            self._relays.switch(outlet, power=power)
            self._switched.append((outlet, self._relays.has_power(outlet)))
        if not self.defers_power:
            self.update_power()

    def _watts(self, outlet: Outlet) -> float:
        """Return the power that flows through an outlet of a power source."""
        slots = self.rack.stack(outlet.stack).slots_of(outlet)
        with self._relay_lock:
            has_power = self._relays.has_power(outlet)
        return sum(self._watts_of_slots.get(slot.id, 0.0) for slot in slots) if has_power else 0.0

    def update_power(self) -> None:
        """Start or stop the rasps of all outlets that were switched."""
        with self._lock:
            self._update_switched()

    def _update_switched(self) -> None:
        while self._switched:
            outlet, has_power = self._switched.popleft()
            self._set_outlet_power(outlet, has_power=has_power)

    def _update_outlet_power(self, outlet: Outlet) -> None:
        with self._relay_lock:
            has_power = self._relays.has_power(outlet)
        self._set_outlet_power(outlet, has_power=has_power)

    def _set_outlet_power(self, outlet: Outlet, *, has_power: bool) -> None:
        has_power = self._has_main_power and has_power
        for slot in self.rack.stack(outlet.stack).slots_of(outlet):
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
            self._watts_of_slots = {id_: rasp.watts for id_, rasp in self._rasps.items()}
            for stack in self.rack.stacks:
                self._update_temperatures(stack, seconds)
            for rasp in self._rasps.values():
                rasp.advance(now, seconds)

    def _update_temperatures(self, stack: Stack, seconds: float) -> None:
        rasps = [self._rasps[slot.id] for slot in stack.slots]
        watts = [self._watts_of_slots[slot.id] for slot in stack.slots]
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
        """Inject a fault into the rasps in these slots, or into their outlets.

        Raises:
            UnsupportedFaultError: If this rack, or an outlet, does not support the fault.
        """
        if fault in self._unsupported_faults:
            raise UnsupportedFaultError(f"{fault}: {self._unsupported_faults[fault]}")
        if fault in OUTLET_FAULTS:
            self.power_sources.inject_fault(self._outlets_of(slots), fault)
            return
        with self._lock:
            if fault is Fault.STUCK_RELAY:
                with self._relay_lock:
                    self._relays.stick(self._outlets_of(slots))
                return
            self._update_switched()
            for slot in slots:
                self._rasps[slot.id].inject_fault(fault, self._clock())

    def clear_fault(self, slots: Collection[Slot], fault: Fault | None = None) -> None:
        """Clear one fault, or by default all faults, of the rasps in these slots."""
        outlets = self._outlets_of(slots)
        if fault is None or fault in OUTLET_FAULTS:
            self.power_sources.clear_fault(outlets, fault)
        with self._lock:
            if fault in {None, Fault.STUCK_RELAY}:
                self._update_switched()
                with self._relay_lock:
                    self._relays.release(outlets)
                for outlet in outlets:
                    self._update_outlet_power(outlet)
            for slot in slots:
                for cleared in [fault] if fault else list(Fault):
                    self._rasps[slot.id].clear_fault(cleared, self._clock())

    def _outlets_of(self, slots: Collection[Slot]) -> tuple[Outlet, ...]:
        """Return the outlets that power these slots."""
        return tuple(dict.fromkeys(self.rack.stack(slot.stack).outlet_of(slot) for slot in slots))

    def status(self) -> Mapping[str, tuple[Phase, frozenset[Fault]]]:
        """Return the phase and the faults of each rasp, keyed by the name of the rasp."""
        with self._lock:
            self._update_switched()
            return {
                rasp.slot.name: (rasp.phase, rasp.faults | self._outlet_faults(rasp.slot))
                for rasp in self._rasps.values()
            }

    def _outlet_faults(self, slot: Slot) -> frozenset[Fault]:
        outlet = self.rack.stack(slot.stack).outlet_of(slot)
        with self._relay_lock:
            faults = frozenset({Fault.STUCK_RELAY} if self._relays.is_stuck(outlet) else ())
        return faults | self.power_sources.faults_of(outlet)

    def outlet_power(self) -> Mapping[str, tuple[bool, int]]:
        """Return for each outlet, keyed by its name, the power and the number of moves."""
        with self._relay_lock:
            return {
                outlet.name: (self._relays.has_power(outlet), self._relays.moves(outlet))
                for outlet in self.rack.outlets
            }

    def stack_power(self) -> Mapping[str, tuple[bool, int]]:
        """Return for each stack, keyed by its name, the power and the number of moves.

        A stack with an outlet for each slot has power if all of them supply power.
        """
        with self._relay_lock:
            return {
                stack.name: (
                    all(self._relays.has_power(outlet) for outlet in stack.outlets),
                    sum(self._relays.moves(outlet) for outlet in stack.outlets),
                )
                for stack in self.rack.stacks
            }

    def close(self) -> None:
        """Cut the power and release all sockets and processes."""
        self.power_sources.close()
        with self._lock:
            for rasp in self._rasps.values():
                rasp.power_off()
            for rasp in self._rasps.values():
                rasp.close()
