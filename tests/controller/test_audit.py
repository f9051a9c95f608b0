"""Tests of the audit log."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from controller.audit import Audit, AuditEvent
from rack.database import Database
from tests.helpers.waiting import TIMEOUT_SECONDS


def make_event(action: str, result: str = "ok") -> AuditEvent:
    return AuditEvent("alice", "10.23.0.9", action, "3/2", result)


def open_audit(folder: Path) -> Audit:
    return Audit(Database(folder / "pirack.db"))


def test_audit_stores_all_fields_of_an_event(tmp_path: Path) -> None:
    event = AuditEvent("alice", "10.23.0.9", "power off", "3, 7-9", "failed", "rasp-03-2 hangs")
    first_id = open_audit(tmp_path).record(make_event("reboot"))
    event_id = open_audit(tmp_path).record(event)
    [record, _] = open_audit(tmp_path).list_recent(10)
    assert (record.id, record.event) == (event_id, event)
    assert event_id == first_id + 1
    assert record.time > 0


@pytest.mark.process
def test_audit_keeps_recorded_events_when_the_controller_is_killed(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from controller.audit import Audit, AuditEvent\n"
        "from rack.database import Database\n"
        "audit = Audit(Database(Path(sys.argv[1])))\n"
        "for i in range(1_000_000):\n"
        "    print(audit.record(AuditEvent('alice', '', 'reboot', str(i), 'ok')), flush=True)\n"
    )
    path = tmp_path / "pirack.db"
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(path)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    for _ in range(20):
        process.stdout.readline()
    process.send_signal(signal.SIGKILL)
    printed = 20 + len([line for line in process.stdout if line.endswith("\n")])
    process.wait(TIMEOUT_SECONDS)
    process.stdout.close()
    ids = [record.id for record in Audit(Database(path)).list_recent(1_000_000)]
    assert len(ids) >= printed
    assert ids == list(range(len(ids), 0, -1))


def test_audit_limits_the_events_of_each_result(tmp_path: Path) -> None:
    database = Database(tmp_path / "pirack.db")
    audit = Audit(database, max_per_result=100)
    with database.connection():  # while it is open, SQLite does not clean up after each event
        audit.record(make_event("reboot"))
        for i in range(1200):
            audit.record(make_event(f"attempt {i}", "refused"))
    events = [record.event for record in audit.list_recent(10_000)]
    refused = [event.action for event in events if event.result == "refused"]
    assert refused[0] == "attempt 1199"
    assert len(refused) <= 100 + 500
    assert [event.action for event in events if event.result == "ok"] == ["reboot"]


def test_audit_truncates_long_fields(tmp_path: Path) -> None:
    audit = open_audit(tmp_path)
    audit.record(make_event("x" * 10_000))
    assert len(audit.list_recent(1)[0].event.action) == 1000
