"""Switch the relays of a stopped controller until killed, many times.

This script runs on the emulated master, as the user pirack and with the packages of PiRack:
`python switching_process.py LOG KILLS SEED`. The log contains each order before it is executed,
such as `3 off 5 on`, and `killed` after each kill.
"""

import os
import random
import signal
import sys
import time
from pathlib import Path

from rack.database import Database
from rack.layout_file import load
from rack.power.outlets import Outlets

LAYOUT = Path("/etc/pirack/rack.toml")
DATABASE = Path("/var/lib/pirack/pirack.db")
MAX_SECONDS = 1.0
MAX_STACKS = 3


def main(log_path: str, kills: str, seed: str) -> None:
    """Kill a number of processes that switch relays, at random times."""
    log = os.open(log_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    choices = random.Random(seed)
    for number in range(int(kills)):
        size = os.fstat(log).st_size
        process = os.fork()
        if process == 0:
            switch_until_killed(log, f"{seed} {number}")
        # Most processes are killed while they switch, and some while they adopt the relays.
        while number % 5 and os.fstat(log).st_size == size:
            time.sleep(0.01)
        time.sleep(choices.uniform(0, MAX_SECONDS))
        os.kill(process, signal.SIGKILL)
        os.waitpid(process, 0)
        os.write(log, b"killed\n")


def switch_until_killed(log: int, seed: str) -> None:
    """Switch random stacks."""
    choices = random.Random(seed)
    rack = load(LAYOUT)
    outlets = Outlets(rack, Database(DATABASE))
    stacks = [stack.number for stack in rack.stacks]
    while True:
        chosen = choices.sample(stacks, choices.randint(1, MAX_STACKS))
        power = {rack.outlet(stack): choices.random() < 0.5 for stack in chosen}
        order = " ".join(
            f"{outlet.stack} {'on' if is_on else 'off'}" for outlet, is_on in power.items()
        )
        os.write(log, f"{order}\n".encode())
        outlets.switch(power)


if __name__ == "__main__":
    main(*sys.argv[1:])
