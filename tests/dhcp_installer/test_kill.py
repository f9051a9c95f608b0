"""`kill -9` at any moment of an install: what is left is whole, and the next one puts it in order.

The installer is the real one, as people start it, in a process of its own. Several racks are
installed and killed side by side, for an install mostly waits.
"""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from dhcp_installer import traces
from dhcp_installer.dhcpd_conf import INSTALLING_LEASE, LEASE
from dhcp_installer.journal import Entry, InstallState
from rack import commanded
from tests.dhcp_installer.lab import Lab, a_lab
from virtual_rack.loopback import PING_PORT

SIDE_BY_SIDE = 8
RANDOM_TRIALS = 50
BY_HAND = '# ours\noption domain-name "lab";\n'
BEFORE = [True, False]  # the stacks' power before an install


class Forge:
    """A process that others are forked from; see `forge`."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.dhcp_installer.forge"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    def ask(self, **request: Any) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with self._lock:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
            return json.loads(self._process.stdout.readline())

    def close(self) -> None:
        self._process.communicate(timeout=30)


@dataclass
class Bench:
    """A lab in which installs are killed, one after the other."""

    lab: Lab
    forge: Forge

    def __post_init__(self) -> None:
        self.new = self.lab.rasps
        # Half of the rack is known, in the other order.
        one, other = self.new[:2]
        self.old = [
            type(one)(1, 1, other.mac, one.address), type(one)(1, 2, one.mac, other.address)
        ]  # fmt: skip
        conf = self.lab.world().configuration
        self.lab.conf.write_text(BY_HAND)
        self.before = conf.wanted(self.old)
        self.short = conf.wanted(self.old, lease_seconds=INSTALLING_LEASE)
        self.decided = [*self.old, *self.new[2:]]
        self.after = conf.wanted(self.decided)
        assert f"max-lease-time {LEASE}" in self.after

    def reset(self) -> None:
        self.lab.inventory.replace(self.old)
        self.lab.conf.write_text(self.before)
        relays = self.lab.relays
        for stack, is_on in enumerate(BEFORE, start=1):
            (relays.on if is_on else relays.off)(stack)

    def begin(self, **how: Any) -> int:
        """Begin an install; see `forge` for how."""
        lab = self.lab
        environment = {
            "GPIOZERO_PIN_FACTORY": "virtual_rack",
            "PIRACK_VIRTUAL_RACK": str(lab.state),
        }
        argv = [
            *("--rack", str(lab.layout), "--db", str(lab.database.path), "--yes", "--json"),
            *("--dhcpd-conf", str(lab.conf), "--dhcp-log", f"file:{lab.log}"),
            *("--dhcp-server", "watching", "--ping", f"tcp:{PING_PORT}"),
        ]
        out = str(lab.folder / "out")
        pid: int = self.forge.ask(argv=argv, env=environment, out=out, **how)["pid"]
        return pid

    def wait(self, pid: int) -> int:
        status: int = self.forge.ask(wait=pid)["status"]
        return status

    @property
    def output(self) -> str:
        return (self.lab.folder / "out").read_text()

    def assert_whole(self) -> Entry | None:
        """See that what a kill left is whole; return the install that it left, if it left one."""
        assert self.lab.conf.read_text() in {self.before, self.short, self.after}
        assert self.lab.known in (self.old, self.decided)
        relays = self.lab.relays  # which finishes what was ordered last
        assert relays.trouble == ""
        ordered = commanded.read(self.lab.database)
        assert self.lab.power == [ordered[stack].is_on for stack in (1, 2)]
        journal = self.lab.world().journal
        journal.interrupt()
        unsettled = journal.unsettled()
        assert len(unsettled) <= 1
        return unsettled[0] if unsettled else None

    def assert_next_one_installs(self, left: Entry | None) -> None:
        assert self.wait(self.begin()) == 0, self.output
        assert self.lab.conf.read_text() == self.after
        assert self.lab.known == self.decided
        assert self.lab.power == [True, True]
        journal = self.lab.world().journal
        assert journal.unsettled() == []
        if left:
            assert f"install {left.id} was interrupted" in self.output
            settled = journal.get(left.id)
            assert settled is not None
            assert settled.state is InstallState.INTERRUPTED
            assert settled.ended is not None

    def assert_is_settled(self, left: Entry | None) -> None:
        """See that the traces go without another install, as who stops an interrupted one wants."""
        traces.settle(self.lab.world(), lambda _: None)
        if left and left.decided is not None:
            assert self.lab.conf.read_text() == self.after
            assert self.lab.known == self.decided
        elif left:
            assert self.lab.conf.read_text() == self.before
            assert self.lab.known == self.old
        if left and left.decided is None:
            assert self.lab.power == BEFORE
        elif left:  # it may have been about to end, with power for all
            assert self.lab.power in (BEFORE, [True, True])


@pytest.fixture(scope="module")
def benches() -> Iterator[list[Bench]]:
    # In memory, where there is such a file system: what a kill leaves is the same, and each of
    # thousands of transactions does not wait for a disk.
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with ExitStack() as stack:
        forge = Forge()
        stack.callback(forge.close)
        labs = [
            stack.enter_context(a_lab(Path(stack.enter_context(TemporaryDirectory(dir=memory)))))
            for _ in range(SIDE_BY_SIDE)
        ]
        yield [Bench(lab, forge) for lab in labs]


@contextmanager
def told(trial: object) -> Iterator[None]:
    try:
        yield
    except AssertionError as error:
        raise AssertionError(f"{trial}: {error}") from error


@pytest.mark.timeout(300)
def test_a_kill_before_each_change_leaves_what_the_next_one_puts_in_order(
    benches: list[Bench],
) -> None:
    benches[0].reset()
    assert benches[0].wait(benches[0].begin()) == 0, benches[0].output
    changes = int(benches[0].output.splitlines()[-1].split()[0])
    assert changes > 40
    settled = []

    def trials(bench: Bench, first: int) -> None:
        for number in range(first + 1, changes + 1, SIDE_BY_SIDE):
            with told(f"killed before change {number} of {changes}"):
                bench.reset()
                status = bench.wait(bench.begin(die_at=number))
                assert status in {-signal.SIGKILL, 0}, bench.output  # 0: it had fewer to do
                left = bench.assert_whole()
                if number % 4:
                    bench.assert_is_settled(left)
                else:
                    bench.assert_next_one_installs(left)
                settled.append(left and left.decided is not None)

    side_by_side(trials, benches)
    assert settled.count(False) > 20  # taken back
    assert settled.count(True) > 5  # completed


@pytest.mark.timeout(300)
def test_a_kill_at_any_moment_leaves_what_the_next_one_puts_in_order(
    benches: list[Bench],
) -> None:
    began = time.monotonic()
    benches[0].reset()
    assert benches[0].wait(benches[0].begin()) == 0
    whole = time.monotonic() - began
    found = []

    def trials(bench: Bench, first: int) -> None:
        for seed in range(first, RANDOM_TRIALS, SIDE_BY_SIDE):
            after = Random(seed).uniform(0, whole)
            with told(f"trial {seed}, killed after {after:.3f} s of {whole:.3f}"):
                bench.reset()
                pid = bench.begin()
                time.sleep(after)  # the moment is what is tried
                os.kill(pid, signal.SIGKILL)
                bench.wait(pid)
                left = bench.assert_whole()
                found.append(left is not None)
                if seed % 2:
                    bench.assert_next_one_installs(left)
                else:
                    bench.assert_is_settled(left)

    side_by_side(trials, benches)
    assert len(found) == RANDOM_TRIALS
    assert sum(found) > RANDOM_TRIALS / 2  # most kills met an install at work


def test_a_disk_that_is_full_for_dhcpd_conf_changes_nothing(benches: list[Bench]) -> None:
    """A file that may grow no further fails as one on a full disk does."""
    bench = benches[0]
    bench.reset()
    large = f"{BY_HAND}{'# a long remark' * 40_000}\n"
    bench.lab.conf.write_text(large)
    moves = bench.lab.virtual.power()
    assert bench.wait(bench.begin(largest_file=500_000)) == 1
    assert "File too large: nothing was changed" in bench.output
    assert bench.lab.conf.read_text() == large
    assert bench.lab.known == bench.old
    assert bench.lab.virtual.power() == moves
    names = [path.name for path in bench.lab.conf.parent.iterdir()]
    assert not [name for name in names if "pirack-new" in name]


@pytest.mark.parametrize("largest_file", [30_000, 60_000, 100_000, 150_000])
def test_a_disk_that_is_full_for_the_journal_leaves_what_the_next_one_puts_in_order(
    benches: list[Bench], largest_file: int
) -> None:
    bench = benches[0]
    bench.reset()
    status = bench.wait(bench.begin(largest_file=largest_file))
    assert status == 0 or "nothing was written" in bench.output, bench.output
    assert "Traceback" not in bench.output
    bench.assert_next_one_installs(bench.assert_whole())


def side_by_side(trials: Any, benches: list[Bench]) -> None:
    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        list(pool.map(trials, benches, range(SIDE_BY_SIDE)))
