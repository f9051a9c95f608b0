"""Running a virtual rack, whichever network it is on, until it is to stop."""

import signal
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


def stop_event_from_signals() -> threading.Event:
    """Return what is set when this process is asked to stop."""
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
    """Give a rack power and let it run; nothing of it is left when this returns.

    Args:
        rack: the rack.
        state: its folder.
        stop: ends it.
        greeting: said when it has power.
        is_new: whether the inventory is to be empty, as before an install.
        faults: which it begins with, and at which places.

    Raises:
        RackError: there is no such place, or pirack.db in its folder cannot be written.
        OSError: an address of the rack cannot be had.
    """
    for places, fault in faults:
        rack.inject_fault(resolve_slots(rack.rack, places.split()), fault)
    Inventory(Database(state / "pirack.db")).replace([] if is_new else rack.inventory())
    try:
        with control.serving(rack, state):
            rack.power_on()
            print(greeting, flush=True)  # noqa: T201 - for whoever started it
            while not stop.wait(_TICK_SECONDS):
                rack.advance()
    finally:
        rack.close()
