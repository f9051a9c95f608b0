"""Folders of runs for tests of records."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

STARTED_AT = 1_795_880_000.25

HISTORY = """\
{"index": 0, "type": "invoke", "process": 0, "f": "add", "value": 1, "time": 1000}
{"index": 1, "type": "ok", "process": 0, "f": "add", "value": 1, "time": 2000}
{"index": 2, "type": "invoke", "process": 0, "f": "read", "value": null, "time": 3000}
{"index": 3, "type": "ok", "process": 0, "f": "read", "value": [1], "time": 4000}
"""


def run(**changes: Any) -> dict[str, Any]:
    """Return a run as the API returns it."""
    return {
        "id": 212,
        "name": "raft",
        "seed": 7,
        "state": "done",
        "actor": "anna",
        "reservation": 3,
        "reason": "",
        "started_at": STARTED_AT,
        "faults_started_at": STARTED_AT + 10,
        "finished_at": STARTED_AT + 90.5,
        "replay_of": None,
        "verdict": {
            "result": "lost",
            "summary": "12 of 48,210 acknowledged writes",
            "statistics": {"acknowledged": 48_210, "lost": 12, "lost_elements": "5..16"},
        },
        "file": "raft.toml",
        "text": 'nodes = "3 stacks"\n',
        "plan": {
            "name": "raft",
            "seed": 7,
            "nodes": ["01-1", "02-1", "04-1"],
            "stacks": [1, 2, 4],
            "client": "./load {nodes} {history}",
            "check": {"kind": "set", "command": "", "query": ""},
            "probes": [],
            "places": {},
            "faults": [fault()],
        },
        "plan_hash": "ab" * 32,
        "versions": {"pirack": "0.1.0", "prometheus": "2.42.0"},
        "layout_hash": "cd" * 32,
    } | changes


def energy(*, first: float | None = 900.0) -> dict[str, Any]:
    """Return the energy of a run as the API returns it. None: an outlet was not measured."""
    measured = [joules for joules in (first, 90.0) if joules is not None]
    return {
        "joules": sum(measured),
        "is_complete": first is not None,
        "stacks": [
            {"stack": 1, "joules": first, "is_complete": first is not None},
            {"stack": 2, "joules": 90.0, "is_complete": True},
        ],
        "outlets": [
            {"stack": 1, "rasp": None, "joules": first},
            {"stack": 2, "rasp": "02-1", "joules": 90.0},
        ],
    }


def fault(**changes: Any) -> dict[str, Any]:
    """Return a planned fault as the API returns it."""
    return {
        "number": 1,
        "kind": "power",
        "at": 20.5,
        "stacks": [4],
        "rasps": ["04-1"],
        "seconds_off": 2.25,
        "action": "",
        "pick": "random 1 stack",
        "place": "",
    } | changes


def event(kind: str, monotonic: float, **changes: Any) -> dict[str, Any]:
    """Return an event as the API returns it."""
    return {
        "number": 1,
        "time": STARTED_AT + monotonic,
        "monotonic": monotonic,
        "kind": kind,
        "text": "",
        "fault": None,
        "stack": None,
        "rasp": None,
        "is_on": None,
        "planned": None,
        "before": None,
        "after": None,
    } | changes


def write_record(
    folder: Path,
    received: dict[str, Any] | None = None,
    events: Iterable[dict[str, Any]] = (),
    history: str = HISTORY,
) -> Path:
    """Write the files of a run that the command line writes itself."""
    received = received or run()
    folder.mkdir()
    (folder / "run.json").write_text(json.dumps(received, indent=2))
    (folder / "plan.json").write_text(json.dumps(received["plan"]))
    (folder / "plan.toml").write_text(received["text"])
    (folder / "events.jsonl").write_text("".join(f"{json.dumps(item)}\n" for item in events))
    (folder / "history.jsonl").write_text(history)
    (folder / "client.json").write_text('{"exit_status": 0}\n')
    (folder / "client.stdout").write_text("connected\n")
    (folder / "metrics.openmetrics").write_text("# EOF\n")
    return folder
