"""Tests that no relay moves when the holder or the controller ends, with a real systemd."""

import random
import threading
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pytest

from tests.helpers.layouts import pin_of
from tests.helpers.stack_relays import StackRelays
from tests.helpers.waiting import wait_until
from tests.rack.gpio.holder_machine import (
    HOLDER,
    RACK,
    HolderMachine,
    random_switches,
    running_holder,
)

pytestmark = pytest.mark.process

OFF = (3, 12)
KILLS = 50
RESTART_SECONDS = 0.2  # the unit of the controller starts it after two seconds


@pytest.fixture
def master(tmp_path: Path) -> Iterator[HolderMachine]:
    """A master whose kernel releases outputs, with two stacks that are off."""
    with running_holder(tmp_path, persists=False) as master:
        relays = master.start_controller()
        assert len(master.changes()) == 12  # each pin was claimed once
        for stack in OFF:
            relays.off(stack)
        yield master


def test_no_relay_moves_until_the_holder_is_stopped(master: HolderMachine) -> None:
    previous = master.changes()
    pins = [pin_of(RACK.stack(stack)) for stack in OFF]
    assert previous[12:] == [(pin, "high") for pin in pins]

    relays = master.start_controller()
    for signal in ("SIGKILL", "SIGTERM", "SIGABRT"):
        master.kill_holder(signal)
        assert not any(relays.has_power(stack) for stack in OFF)
    for command in ("daemon-reload", "daemon-reexec"):  # an upgrade of systemd runs these
        master.machine.output_of("systemctl", command)
    master.machine.output_of("systemctl", "restart", HOLDER)
    relays = master.start_controller()
    differing = [stack for stack, power in relays.all_commanded().items() if power.outlet_differs]
    assert differing == []
    assert [stack for stack in range(1, 13) if not relays.has_power(stack)] == list(OFF)
    assert master.changes() == previous

    relays.on(OFF[0])
    previous.append((pins[0], "low"))
    assert master.changes() == previous

    # The documented exception.
    master.machine.output_of("systemctl", "stop", HOLDER)
    wait_until(lambda: len(master.changes()) == len(previous) + 12)
    assert {state for _, state in master.changes()[len(previous) :]} == {"input"}


def edges_since(relays: StackRelays, number: int) -> tuple[list[tuple[int, str]], int]:
    """Return the ordered pin changes after an edge, and the number of the last edge."""
    edges = [edge for edge in reversed(relays.edges.list_recent(10_000)) if edge.id > number]
    changes = [(pin_of(RACK.stack(edge.stack)), "low" if edge.is_on else "high") for edge in edges]
    return changes, edges[-1].id if edges else number


@pytest.mark.verify
def test_holder_killed_at_any_moment_of_orders_moves_no_other_relay(master: HolderMachine) -> None:
    generator = random.Random(16)
    relays = master.start_controller()
    _, last = edges_since(relays, 0)
    for _ in range(KILLS):
        previous = master.changes()
        switches = list(islice(random_switches(generator), 20))

        def order(switches: list[tuple[int, bool]] = switches) -> None:
            for stack, is_on in switches:
                relays.switch({stack: is_on})

        orders = threading.Thread(target=order)
        orders.start()
        time.sleep(generator.uniform(0.0, 0.2))
        master.kill_holder("SIGKILL")
        orders.join()
        ordered, last = edges_since(relays, last)
        assert master.changes()[len(previous) :] == ordered


@pytest.mark.verify
def test_controller_killed_at_any_moment_of_orders_moves_no_other_relay(
    master: HolderMachine,
) -> None:
    generator = random.Random(61)
    _, last = edges_since(master.start_controller(), 0)
    for seed in range(KILLS):
        previous = master.changes()
        process = master.start_controller_process(seed)
        master.wait_for_change(len(previous))
        time.sleep(generator.uniform(0.0, 0.1))
        process.kill()
        process.join()
        time.sleep(RESTART_SECONDS)
        relays = master.start_controller()
        ordered, last = edges_since(relays, last)
        changes = master.changes()[len(previous) :]
        assert changes in (ordered, ordered[:-1])
        powers = relays.all_commanded()
        differing = [stack for stack, power in powers.items() if power.outlet_differs]
        assert len(differing) == len(ordered) - len(changes)
        for stack in differing:  # the order that resolves the difference moves no relay
            relays.switch({stack: relays.commanded(stack).has_power})
        assert master.changes()[len(previous) :] == changes
