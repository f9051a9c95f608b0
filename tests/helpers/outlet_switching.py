"""A process that switches random outlets of a rack until it is killed."""

import random
from multiprocessing.context import ForkServerProcess
from pathlib import Path

from rack.database import Database
from rack.layout_file import load
from rack.power.outlets import Outlets
from tests.helpers.forked_program import fork_server, processes_lock

_MAX_OUTLETS = 6
_HALF = 0.5


def start_switching(layout: Path, database: Path, seed: int) -> ForkServerProcess:
    """Start the process, which switches up to 6 outlets with each command."""
    with processes_lock:
        process = fork_server().Process(target=_switch, args=(layout, database, seed))
        process.start()
    return process


def kill(process: ForkServerProcess) -> None:
    """Kill the process, and wait for its end."""
    with processes_lock:
        process.kill()
        process.join()


def _switch(layout: Path, database: Path, seed: int) -> None:
    rack, generator = load(layout), random.Random(seed)
    outlets = Outlets(rack, Database(database))
    while True:
        chosen = generator.sample(rack.outlets, generator.randint(1, _MAX_OUTLETS))
        outlets.switch({outlet: generator.random() < _HALF for outlet in chosen})
