"""Main loop of a virtual rack."""

import signal
import sys
import threading
from collections.abc import Iterable
from pathlib import Path

from rack.database import Database
from rack.inventory import Inventory
from rack.targets import resolve_slots
from virtual_rack import control
from virtual_rack.faults import Fault
from virtual_rack.rack import VirtualRack

_TICK_SECONDS = 0.25
_SWITCH_INTERVAL = 0.0005


def stop_event_from_signals() -> threading.Event:
    """Return an event that SIGINT and SIGTERM set."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    return stop


def run(
    rack: VirtualRack,
    state: Path,
    stop: threading.Event,
    greeting: str,
    *,
    is_new: bool,
    faults: Iterable[tuple[str, Fault]],
) -> None:
    """Switch the power of a rack on, run the rack until `stop` is set, and release all resources.

    Args:
        rack: Virtual rack.
        state: State folder.
        stop: Event that ends the main loop.
        greeting: Message to print after power-on.
        is_new: Whether the inventory is empty, as before an install.
        faults: Initial faults, with their targets.

    Raises:
        PiRackError: If a target does not exist, or pirack.db cannot be written.
        OSError: If an address of the rack cannot be bound.
    """
    for targets, fault in faults:
        rack.inject_fault(resolve_slots(rack.rack, targets.split()), fault)
    # The simulation must not keep the interpreter while the master switches a pin.
    sys.setswitchinterval(_SWITCH_INTERVAL)
    Inventory(Database(state / "pirack.db")).replace([] if is_new else rack.inventory())
    try:
        with control.serving(rack, state, defers_power=True):
            rack.power_on()
            print(greeting, flush=True)  # noqa: T201 - output of the command
            while not stop.wait(_TICK_SECONDS):
                rack.advance()
    finally:
        rack.close()
