"""Tests of the audit log."""

import json
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from controller.audit import MAX_REFUSAL_AGE_SECONDS, WRONG_PASSWORD, Audit, AuditEvent
from rack.database import Database
from tests.helpers.fake_clock import FakeClock
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


def make_refusal(actor: str, target: str) -> AuditEvent:
    path = f"/api/v1.0/{target}"
    return AuditEvent(actor, "10.23.0.9", "DELETE /orders", path, "refused", "role is viewer")


def make_wrong_password(actor: str) -> AuditEvent:
    return AuditEvent(actor, "10.23.0.9", "log in", "", "refused", WRONG_PASSWORD)


def actions_and_counts(audit: Audit) -> list[tuple[str, int]]:
    return [
        (record.event.action, record.count) for record in reversed(audit.list_recent(1_000_000))
    ]


@pytest.mark.parametrize("refusals", [1_000, pytest.param(10_000, marks=pytest.mark.verify)])
def test_audit_keeps_every_wrong_password_through_many_refusals(
    tmp_path: Path, refusals: int
) -> None:
    database = Database(tmp_path / "pirack.db")
    audit = Audit(database)
    with database.connection():  # while it is open, SQLite does not clean up after each event
        for _ in range(50):
            audit.record(make_wrong_password("alice"))
            for i in range(refusals // 50):
                audit.record(make_refusal("vera", f"orders/{i}"))
    records = audit.list_recent(1_000_000)
    wrong = [record for record in records if record.event.detail == WRONG_PASSWORD]
    assert [record.count for record in wrong] == [1] * 50
    refused = [record.count for record in records if record.event.detail != WRONG_PASSWORD]
    assert refused == [refusals]


def test_audit_keeps_the_events_of_others_when_one_actor_exceeds_the_quota(tmp_path: Path) -> None:
    database = Database(tmp_path / "pirack.db")
    audit = Audit(database, max_per_actor=100, max_refusals_per_actor=10)
    with database.connection():
        audit.record(make_event("reboot"))
        audit.record(make_wrong_password("alice"))
        for i in range(600):
            audit.record(replace(make_event(f"read {i}"), actor="otto"))
            audit.record(replace(make_refusal("vera", "orders/1"), action=f"refused {i}"))
    actors = [record.event.actor for record in audit.list_recent(10_000)]
    assert actors.count("alice") == 2
    assert actors.count("otto") <= 100 + 500
    assert actors.count("vera") <= 10 + 500


def test_audit_counts_repeats_of_the_last_hour(tmp_path: Path) -> None:
    clock = FakeClock()
    audit = Audit(Database(tmp_path / "pirack.db"), clock=clock)
    for _ in range(3):
        audit.record(make_event("cancel"))
        clock.now += 60
    audit.record(replace(make_event("cancel"), targets="3/3"))
    audit.record(replace(make_event("cancel"), client_address="10.23.0.8"))
    clock.now += 3600
    audit.record(make_event("cancel"))
    assert [count for _, count in actions_and_counts(audit)] == [3, 1, 1, 1]
    first = audit.list_recent(10)[-1]
    assert first.last_time == first.time + 120


def test_audit_deletes_old_refusals_only(tmp_path: Path) -> None:
    clock = FakeClock()
    database = Database(tmp_path / "pirack.db")
    audit = Audit(database, clock=clock)
    audit.record(make_event("reboot"))
    audit.record(make_wrong_password("alice"))
    audit.record(make_refusal("vera", "orders/1"))
    clock.now += MAX_REFUSAL_AGE_SECONDS + 1
    with database.connection():
        for i in range(500):
            audit.record(make_event(f"action {i}"))
    assert [action for action, _ in actions_and_counts(audit)][:3] == [
        "reboot",
        "log in",
        "action 0",
    ]


def test_audit_copies_each_new_event_to_the_log_in_one_line(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    audit = open_audit(tmp_path)
    with caplog.at_level("INFO", "controller.audit"):
        for _ in range(3):
            audit.record(make_event("reboot\nINFO controller.audit: forged"))
    [line] = caplog.messages
    assert "\n" not in line
    assert json.loads(line)["actor"] == "alice"


def test_audit_truncates_long_fields(tmp_path: Path) -> None:
    audit = open_audit(tmp_path)
    audit.record(make_event("x" * 10_000))
    assert len(audit.list_recent(1)[0].event.action) == 1000
