"""Journal of installs in pirack.db, used to recover interrupted installs.

Each step is committed before it is carried out. The journal contains the previous dhcpd.conf,
whether a new one was written, and the assignment of rasps to slots once it is final.
"""

import json
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

from dhcp_installer.config_text import decode, encode
from dhcp_installer.install.progress import ProgressReport, Stage
from rack.database import MAX_ROW_ID, Database
from rack.errors import DatabaseError
from rack.inventory import Rasp

_COLUMNS = (
    "id, kind, strategy, actor, state, started_at, finished_at, report, steps, error, config_path,"
    " config_written, previous_config, assignment, targets"
)


class InstallState(StrEnum):
    """State of an install. `interrupted` means that its process ended before the install."""

    RUNNING = "running"
    STOPPING = "stopping"
    DONE = "done"
    FAILED = "failed"
    STOPPED = "stopped"
    INTERRUPTED = "interrupted"


class InstallKind(StrEnum):
    """Kind of an install."""

    INSTALL = "install"
    REPLACE = "replace"
    SWAP = "swap"


@dataclass(frozen=True, slots=True)
class Step:
    """A completed step. `time` is in seconds since the epoch."""

    time: float
    text: str


@dataclass(frozen=True, slots=True)
class InstallRecord:
    """An install in the journal.

    Args:
        id: Number of the install, from 1.
        kind: Install, replacement or swap.
        strategy: Name of the discovery strategy.
        actor: User, token or console that started the install.
        state: The current state.
        started_at: Seconds since the epoch.
        finished_at: Seconds since the epoch. None until all changes are completed or undone.
        report: The latest progress report.
        steps: The completed steps.
        error: The problem, empty if none.
        config_path: The configuration file of the DHCP server.
        config_written: Whether the install wrote the file, or was about to.
        previous_config: Text of the file before the install. None if the file did not exist.
        assignment: The new inventory. None until it is final.
        targets: Names of the slots of a replacement or a swap. Empty for the whole rack, and for
            records of versions that did not save them.
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
    targets: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """Kind and id, for example `install 3`."""
        return f"{self.kind} {self.id}"

    @property
    def ended_at(self) -> float | None:
        """Time of the end, or of the last report if it was interrupted. None while it runs."""
        if self.is_running:
            return None
        return self.report.time if self.finished_at is None else self.finished_at

    @property
    def is_running(self) -> bool:
        """Whether the install is running or being stopped."""
        return self.state in {InstallState.RUNNING, InstallState.STOPPING}

    @property
    def is_unfinished(self) -> bool:
        """Whether the install failed or was interrupted."""
        return self.state in {InstallState.FAILED, InstallState.INTERRUPTED}

    @property
    def rasps_missing(self) -> int:
        """Number of rasps that an install has not found in the end, 0 before."""
        return sum(self.report.missing.values()) if self.state is InstallState.DONE else 0

    @property
    def outcome(self) -> str:
        """The state and what is missing, for example `done, 5 missing`."""
        missing = self.rasps_missing
        return f"{self.state}, {missing} missing" if missing else str(self.state)


class Journal:
    """The installs of a rack. Each method commits one transaction before it returns.

    All methods raise `DatabaseError` if pirack.db cannot be used.
    """

    def __init__(self, database: Database, *, clock: Callable[[], float] = time.time) -> None:
        self._database = database
        self._clock = clock

    def create(
        self,
        kind: InstallKind,
        strategy: str,
        actor: str,
        config_path: Path,
        targets: Iterable[str] = (),
    ) -> int:
        """Create a running install and return its id. See `InstallRecord` for the arguments."""
        now = self._clock()
        report = json.dumps(ProgressReport(now, Stage.CHECK).to_json())
        return self._execute(
            "INSERT INTO installs (kind, strategy, actor, state, started_at, report, steps, error,"
            " config_path, config_written, targets) VALUES (?, ?, ?, ?, ?, ?, '[]', '', ?, 0, ?)",
            (
                *(kind, strategy, actor, InstallState.RUNNING, now, report, str(config_path)),
                " ".join(targets),
            ),
        )

    def save_progress(self, install_id: int, report: ProgressReport) -> None:
        """Save the latest report, and append its message to the steps."""
        self._execute(
            "UPDATE installs SET report = ?,"
            " steps = CASE WHEN ? = '' THEN steps ELSE json_insert(steps, '$[#]', json_array(?, ?))"
            " END WHERE id = ?",
            (json.dumps(report.to_json()), report.message, report.time, report.message, install_id),
        )

    def record_config_write(self, install_id: int, previous_config: str | None) -> None:
        """Record that dhcpd.conf will be written, and record its previous text."""
        self._execute(
            "UPDATE installs SET config_written = 1, previous_config = ? WHERE id = ?",
            (None if previous_config is None else encode(previous_config), install_id),
        )

    def record_assignment(self, install_id: int, rasps: Iterable[Rasp] | None) -> None:
        """Record the final assignment of rasps to slots. None deletes it."""
        assignment = None
        if rasps is not None:
            assignment = json.dumps(
                [[rasp.stack, rasp.slot, rasp.mac, str(rasp.address)] for rasp in rasps]
            )
        self._execute("UPDATE installs SET assignment = ? WHERE id = ?", (assignment, install_id))

    def set_state(self, install_id: int, state: InstallState, error: str = "") -> None:
        """Set the state of an install that is not finished."""
        self._execute(
            "UPDATE installs SET state = ?, error = ? WHERE id = ? AND finished_at IS NULL",
            (state, error, install_id),
        )

    def finish(self, install_id: int, state: InstallState, error: str = "") -> None:
        """Set the final state of an install, after which nothing is left to recover."""
        self._execute(
            "UPDATE installs SET state = ?, error = ?, finished_at = ?, previous_config = NULL"
            " WHERE id = ?",
            (state, error, self._clock(), install_id),
        )

    def mark_interrupted(self) -> list[InstallRecord]:
        """Mark installs in a running state as interrupted and return them.

        Call this only if no install runs.
        """
        running = self._read("WHERE state IN (?, ?)", (InstallState.RUNNING, InstallState.STOPPING))
        for record in running:
            self.set_state(record.id, InstallState.INTERRUPTED, record.error)
        return running

    def list_interrupted(self) -> list[InstallRecord]:
        """Return interrupted installs that are not recovered yet, newest first."""
        return self._read("WHERE finished_at IS NULL AND state = ?", (InstallState.INTERRUPTED,))

    def get(self, install_id: int) -> InstallRecord:
        """Return the install with this id."""
        records = self._read("WHERE id = ?", (install_id,))
        if not records:
            raise DatabaseError(f"install {install_id} is not in the journal: start a new install")
        return records[0]

    def list_recent(self, count: int, before: int | None = None) -> list[InstallRecord]:
        """Return recent installs, newest first, with an id below `before` if given."""
        return self._read("WHERE id < ?", (before or MAX_ROW_ID,), count)

    def inventory_at(
        self, time: float, present: Mapping[tuple[int, int], Rasp]
    ) -> Mapping[tuple[int, int], Rasp] | None:
        """Return the inventory at a time, keyed by (stack, slot), or None if it is unknown.

        The journal contains each inventory since the first install, but not the one before it.

        Args:
            time: Seconds since the epoch.
            present: The present inventory.
        """
        with self._database.connection() as connection:
            later = connection.execute(
                "SELECT started_at FROM installs WHERE assignment IS NOT NULL"
                " AND (finished_at IS NULL OR finished_at > ?) ORDER BY id LIMIT 1",
                (time,),
            ).fetchone()
            if later is None:
                return present
            if later[0] <= time:  # the inventory was replaced during this install
                return None
            earlier = connection.execute(
                "SELECT assignment FROM installs WHERE assignment IS NOT NULL"
                " AND finished_at <= ? ORDER BY id DESC LIMIT 1",
                (time,),
            ).fetchone()
        if earlier is None:
            return None
        return {(rasp.stack, rasp.slot): rasp for rasp in _assignment_from_json(earlier[0])}

    def list_between(self, start: float, end: float, count: int) -> list[InstallRecord]:
        """Return the newest installs that ran after `start` and until `end`, newest first."""
        return self._read(
            "WHERE started_at <= ? AND (finished_at IS NULL OR finished_at > ?)",
            (end, start),
            count,
        )

    def _execute(self, statement: str, values: tuple[Any, ...]) -> int:
        with self._database.connection() as connection:
            return connection.execute(statement, values).lastrowid or 0

    def _read(self, where: str, values: tuple[Any, ...], count: int = -1) -> list[InstallRecord]:
        query = f"SELECT {_COLUMNS} FROM installs {where} ORDER BY id DESC LIMIT ?"  # noqa: S608 - constants
        with self._database.connection() as connection:
            return [_record_from_row(row) for row in connection.execute(query, (*values, count))]


def _record_from_row(row: tuple[Any, ...]) -> InstallRecord:
    (
        install_id, kind, strategy, actor, state, started_at, finished_at, report, steps, error,
        config_path, config_written, previous_config, assignment, targets,
    ) = row  # fmt: skip
    return InstallRecord(
        install_id,
        InstallKind(kind),
        strategy,
        actor,
        InstallState(state),
        started_at,
        finished_at,
        ProgressReport.from_json(json.loads(report)),
        tuple(Step(step_time, text) for step_time, text in json.loads(steps)),
        error,
        Path(config_path),
        bool(config_written),
        None if previous_config is None else decode(previous_config),
        None if assignment is None else _assignment_from_json(assignment),
        tuple(targets.split()),
    )


def _assignment_from_json(text: str) -> tuple[Rasp, ...]:
    return tuple(
        Rasp(stack, slot, mac, IPv4Address(address))
        for stack, slot, mac, address in json.loads(text)
    )
