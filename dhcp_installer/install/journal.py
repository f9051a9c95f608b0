"""The journal of installs: what each was about to do, on the disk before it is done.

It is in pirack.db, beside inventory and commanded power: one file, whose transactions SQLite
brings to the disk whole, and which every PiRack has already. So whoever comes after a kill knows
which dhcpd.conf was in force before, which one the install wrote, and whether it had decided who
sits where: before that moment its traces are taken back, after it they are completed.
"""

import json
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

from dhcp_installer.install.progress import ProgressReport, Stage, report_from_json
from rack.database import Database
from rack.errors import DatabaseError
from rack.inventory import Rasp

_MAX_ID = 2**63 - 1  # of SQLite
_COLUMNS = (
    "id, kind, strategy, who, state, began, ended, report, steps, trouble, conf, wrote,"
    " conf_before, decided"
)


class InstallState(StrEnum):
    """How an install stands. `interrupted`: its process ended before it did."""

    RUNNING = "running"
    STOPPING = "stopping"
    DONE = "done"
    FAILED = "failed"
    STOPPED = "stopped"
    INTERRUPTED = "interrupted"


class InstallKind(StrEnum):
    """What was asked for."""

    INSTALL = "install"
    REPLACE = "replace"
    SWAP = "swap"


@dataclass(frozen=True, slots=True)
class Step:
    """What was done, and when, in seconds since the epoch."""

    time: float
    text: str


@dataclass(frozen=True, slots=True)
class InstallRecord:
    """An install as the journal has it.

    `finished_at` is None until all is as it should be again: also for one that was interrupted, until
    its traces are settled. `config_written` tells whether it has written to the file `config_path`, or was about
    to; `previous_config` what that said before, None where it was not there; `assignment` the inventory
    that it had decided on, None before that.
    """

    id: int
    kind: InstallKind
    strategy: str
    actor: str
    state: InstallState
    started_at: float
    finished_at: float | None
    report: ProgressReport
    steps: tuple[Step, ...]
    error: str
    config_path: Path
    config_written: bool
    previous_config: str | None
    assignment: tuple[Rasp, ...] | None

    @property
    def is_unfinished(self) -> bool:
        """Whether it neither finished nor was stopped cleanly."""
        return self.state in {InstallState.FAILED, InstallState.INTERRUPTED}


class Journal:
    """The installs of a rack. Each word is a transaction of its own, on the disk when it returns.

    All methods raise `DatabaseError` where pirack.db cannot be used.
    """

    def __init__(self, database: Database, *, clock: Callable[[], float] = time.time) -> None:
        self._database = database
        self._clock = clock

    def create(self, kind: InstallKind, strategy: str, actor: str, config_path: Path) -> int:
        """Begin an install; return its number."""
        now = self._clock()
        report = json.dumps(ProgressReport(now, Stage.CHECK).to_json())
        return self._execute(
            "INSERT INTO installs"
            " (kind, strategy, who, state, began, report, steps, trouble, conf, wrote)"
            " VALUES (?, ?, ?, ?, ?, ?, '[]', '', ?, 0)",
            (kind, strategy, actor, InstallState.RUNNING, now, report, str(config_path)),
        )

    def save_progress(self, install_id: int, report: ProgressReport) -> None:
        """Keep the newest report, and what it says was done."""
        self._execute(
            "UPDATE installs SET report = ?,"
            " steps = CASE WHEN ? = '' THEN steps ELSE json_insert(steps, '$[#]', json_array(?, ?))"
            " END WHERE id = ?",
            (json.dumps(report.to_json()), report.message, report.time, report.message, install_id),
        )

    def record_config_write(self, install_id: int, previous_config: str | None) -> None:
        """Say that dhcpd.conf is about to be written, and what it says before."""
        self._execute(
            "UPDATE installs SET wrote = 1, conf_before = ? WHERE id = ?",
            (previous_config, install_id),
        )

    def record_assignment(self, install_id: int, rasps: Iterable[Rasp] | None) -> None:
        """Say which inventory was decided on; None takes it back."""
        decided = None
        if rasps is not None:
            decided = json.dumps(
                [[rasp.stack, rasp.slot, rasp.mac, str(rasp.address)] for rasp in rasps]
            )
        self._execute("UPDATE installs SET decided = ? WHERE id = ?", (decided, install_id))

    def set_state(self, install_id: int, state: InstallState, error: str = "") -> None:
        """Say that it is being stopped, or that its traces are still there, and why."""
        self._execute(
            "UPDATE installs SET state = ?, trouble = ? WHERE id = ? AND ended IS NULL",
            (state, error, install_id),
        )

    def finish(self, install_id: int, state: InstallState, error: str = "") -> None:
        """Say how it ended: nothing of it is left to be settled."""
        self._execute(
            "UPDATE installs SET state = ?, trouble = ?, ended = ?, conf_before = NULL"
            " WHERE id = ?",
            (state, error, self._clock(), install_id),
        )

    def mark_interrupted(self) -> list[InstallRecord]:
        """Mark those that are said to run as interrupted, and return them.

        To be called where none certainly runs.
        """
        running = self._read("WHERE state IN (?, ?)", (InstallState.RUNNING, InstallState.STOPPING))
        for entry in running:
            self.set_state(entry.id, InstallState.INTERRUPTED, entry.error)
        return running

    def list_interrupted(self) -> list[InstallRecord]:
        """Return those that were interrupted and whose traces are still there, the newest first."""
        return self._read("WHERE ended IS NULL AND state = ?", (InstallState.INTERRUPTED,))

    def get(self, install_id: int) -> InstallRecord:
        """Return an install by its number."""
        entries = self._read("WHERE id = ?", (install_id,))
        if not entries:
            raise DatabaseError(f"install {install_id} is not in the journal: install anew")
        return entries[0]

    def list_recent(self, count: int, before: int | None = None) -> list[InstallRecord]:
        """Return the newest installs, the newest first; those before one alone, if it is named."""
        return self._read("WHERE id < ?", (before or _MAX_ID,), count)

    def _execute(self, statement: str, values: tuple[Any, ...]) -> int:
        with self._database.connection() as connection:
            return connection.execute(statement, values).lastrowid or 0

    def _read(self, where: str, values: tuple[Any, ...], count: int = -1) -> list[InstallRecord]:
        question = f"SELECT {_COLUMNS} FROM installs {where} ORDER BY id DESC LIMIT ?"  # noqa: S608 - our own words
        with self._database.connection() as connection:
            return [_record_from_row(row) for row in connection.execute(question, (*values, count))]


def _record_from_row(row: tuple[Any, ...]) -> InstallRecord:
    (
        number, kind, strategy, who, state, began, ended, report, steps, trouble, conf,
        wrote, conf_before, decided,
    ) = row  # fmt: skip
    return InstallRecord(
        number,
        InstallKind(kind),
        strategy,
        who,
        InstallState(state),
        began,
        ended,
        report_from_json(json.loads(report)),
        tuple(Step(at, text) for at, text in json.loads(steps)),
        trouble,
        Path(conf),
        bool(wrote),
        conf_before,
        None
        if decided is None
        else tuple(
            Rasp(stack, slot, mac, IPv4Address(address))
            for stack, slot, mac, address in json.loads(decided)
        ),
    )
