"""Runs in pirack.db: their state, events and the rates of their clients."""

import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from controller.errors import UnknownRunError
from controller.experiments.energy import OutletEnergy, RunEnergy
from controller.experiments.model import (
    EventKind,
    Rate,
    Run,
    RunEvent,
    RunHeader,
    RunState,
    RunVerdict,
    VerdictResult,
)
from controller.experiments.plan import plan_from_json
from rack.database import MAX_ROW_ID, Database, where_clause

MAX_RUNS = 10_000
"""Maximum number of stored runs. Older runs are deleted."""

MAX_EVENTS = 20_000
"""Maximum number of stored events of a run."""

MAX_RATES = 100_000
"""Maximum number of seconds with rates of a run."""

INTERRUPTED_REASON = "the controller stopped during the run"

_HEADER_COLUMNS = (
    "id, name, seed, actor, state, started_at, reason, faults_started_at, finished_at, reservation,"
    " replay_of, verdict"
)
_PLAN_COLUMNS = "file, text, plan, versions, layout_hash, energy"
_EVENT_COLUMNS = (
    "number, time, monotonic, kind, text, fault, stack, rasp, is_on, planned, before, after"
)
_UNFINISHED = tuple(state for state in RunState if not state.is_over)


class RunStore:
    """Runs in a database. All methods raise `DatabaseError` if the database cannot be used."""

    def __init__(self, database: Database, *, max_runs: int = MAX_RUNS) -> None:
        self._database = database
        self._max_runs = max_runs

    def add(self, run: Run) -> Run:
        """Save a new run. Return the run with its id, and delete the oldest runs."""
        with self._database.connection() as connection:
            connection.execute("BEGIN IMMEDIATE")
            newest = connection.execute("SELECT ifnull(max(id), 0) FROM runs").fetchone()[0]
            saved = replace(run, id=newest + 1)
            _write(connection, saved)
            oldest = saved.id - self._max_runs
            for table, column in (("runs", "id"), ("run_events", "run"), ("run_rates", "run")):
                connection.execute(f"DELETE FROM {table} WHERE {column} <= ?", (oldest,))  # noqa: S608 - constants
            connection.execute("COMMIT")
        return saved

    def save(self, run: Run) -> None:
        """Save the current version of a run."""
        with self._database.connection() as connection:
            _write(connection, run)

    def get(self, number: int) -> Run:
        """Return the run with this id.

        Raises:
            UnknownRunError: If the run does not exist or was deleted.
        """
        if number <= MAX_ROW_ID:
            with self._database.connection() as connection:
                row = connection.execute(
                    f"SELECT {_HEADER_COLUMNS}, {_PLAN_COLUMNS} FROM runs WHERE id = ?",  # noqa: S608 - constants
                    (number,),
                ).fetchone()
            if row is not None:
                return _run_from_row(row)
        raise UnknownRunError(f"no run {number}: the list of experiments shows the stored runs")

    def list_recent(
        self, limit: int, *, before: int | None = None, name: str | None = None
    ) -> list[RunHeader]:
        """Return runs without their plans, newest first.

        Args:
            limit: Maximum number of runs.
            before: Upper limit of the id, exclusive.
            name: Name of the experiment.
        """
        return self._headers({"id < ?": before, "name = ?": name}, limit)

    def list_between(self, start: float, end: float, limit: int) -> list[RunHeader]:
        """Return the newest runs that were started after `start` and until `end`.

        They have no plans, and the newest one is the first.
        """
        return self._headers({"started_at > ?": start, "started_at <= ?": end}, limit)

    def _headers(self, conditions: Mapping[str, Any], limit: int) -> list[RunHeader]:
        where, values = where_clause(conditions)
        with self._database.connection() as connection:
            rows = connection.execute(
                f"SELECT {_HEADER_COLUMNS} FROM runs {where} ORDER BY id DESC LIMIT ?",  # noqa: S608 - constants
                [*values, limit],
            )
            return [RunHeader(**_header_fields(row)) for row in rows]

    def mark_interrupted(self, now: float) -> list[Run]:
        """Mark unfinished runs as interrupted and return them, while no run goes on."""
        marks = ", ".join("?" for _ in _UNFINISHED)
        with self._database.connection() as connection:
            numbers = [
                number
                for (number,) in connection.execute(
                    f"SELECT id FROM runs WHERE state IN ({marks}) ORDER BY id",  # noqa: S608 - constants
                    _UNFINISHED,
                )
            ]
        interrupted = [
            replace(
                self.get(number),
                state=RunState.INTERRUPTED,
                reason=INTERRUPTED_REASON,
                finished_at=now,
            )
            for number in numbers
        ]
        for run in interrupted:
            self.save(run)
        return interrupted

    def add_event(self, run: int, event: RunEvent) -> None:
        """Save an event of a run."""
        if event.number > MAX_EVENTS:
            return
        row = list(asdict(event).values())
        marks = ", ".join("?" for _ in [run, *row])
        with self._database.connection() as connection:
            connection.execute(
                f"INSERT INTO run_events (run, {_EVENT_COLUMNS}) VALUES ({marks})",  # noqa: S608 - constants
                [run, *row],
            )

    def events(self, run: int, *, after: int = 0, limit: int = MAX_EVENTS) -> list[RunEvent]:
        """Return the events of a run with larger numbers than `after`, in order."""
        with self._database.connection() as connection:
            rows = connection.execute(
                f"SELECT {_EVENT_COLUMNS} FROM run_events WHERE run = ? AND number > ?"  # noqa: S608 - constants
                " ORDER BY number LIMIT ?",
                (run, after, limit),
            ).fetchall()
        return [_event_from_row(row) for row in rows]

    def save_rates(self, run: int, rates: Iterable[Rate]) -> None:
        """Save the rates of some seconds of a run. A second replaces its previous version."""
        with self._database.connection() as connection:
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany(
                "INSERT OR REPLACE INTO run_rates (run, second, ok, fail, info)"
                " VALUES (?, ?, ?, ?, ?)",
                [(run, rate.second, rate.ok, rate.fail, rate.info) for rate in rates],
            )
            connection.execute(
                "DELETE FROM run_rates WHERE run = ? AND second NOT IN"
                " (SELECT second FROM run_rates WHERE run = ? ORDER BY second DESC LIMIT ?)",
                (run, run, MAX_RATES),
            )
            connection.execute("COMMIT")

    def rates(self, run: int) -> list[Rate]:
        """Return the rates of a run, in order of time."""
        with self._database.connection() as connection:
            rows = connection.execute(
                "SELECT second, ok, fail, info FROM run_rates WHERE run = ? ORDER BY second", (run,)
            ).fetchall()
        return [Rate(*row) for row in rows]


def _write(connection: sqlite3.Connection, run: Run) -> None:
    row = _row(run)
    columns = f"{_HEADER_COLUMNS}, {_PLAN_COLUMNS}"
    marks = ", ".join("?" for _ in row)
    connection.execute(f"INSERT OR REPLACE INTO runs ({columns}) VALUES ({marks})", row)  # noqa: S608 - constants


def _row(run: Run) -> list[Any]:
    return [
        run.id,
        run.name,
        run.seed,
        run.actor,
        run.state,
        run.started_at,
        run.reason,
        run.faults_started_at,
        run.finished_at,
        run.reservation,
        run.replay_of,
        None if run.verdict is None else json.dumps(asdict(run.verdict)),
        run.file,
        run.text,
        run.plan.canonical_json,
        json.dumps(dict(run.versions)),
        run.layout_hash,
        None if run.energy is None else json.dumps([asdict(each) for each in run.energy.outlets]),
    ]


def _run_from_row(row: Sequence[Any]) -> Run:
    *header, file, text, plan, versions, layout_hash, energy = row
    return Run(
        **_header_fields(header),
        file=file,
        text=text,
        plan=plan_from_json(plan),
        versions=json.loads(versions),
        layout_hash=layout_hash,
        energy=None
        if energy is None
        else RunEnergy(tuple(OutletEnergy(**each) for each in json.loads(energy))),
    )


def _header_fields(row: Sequence[Any]) -> dict[str, Any]:
    names = _HEADER_COLUMNS.split(", ")
    fields = dict(zip(names, row, strict=True))
    fields["state"] = RunState(fields["state"])
    if fields["verdict"] is not None:
        verdict = json.loads(fields["verdict"])
        fields["verdict"] = RunVerdict(
            VerdictResult(verdict["result"]), verdict["summary"], verdict["statistics"]
        )
    return fields


def _event_from_row(row: Sequence[Any]) -> RunEvent:
    fields = dict(zip(_EVENT_COLUMNS.split(", "), row, strict=True))
    fields["kind"] = EventKind(fields["kind"])
    fields["is_on"] = None if fields["is_on"] is None else bool(fields["is_on"])
    return RunEvent(**fields)
