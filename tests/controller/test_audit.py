"""What happened stays written, and does not grow without end."""

import signal
import subprocess
import sys
from pathlib import Path

from controller.audit import Audit, AuditEvent
from rack.database import Database


def make_event(action: str, result: str = "ok") -> AuditEvent:
    return AuditEvent("alice", "10.23.0.9", action, "3/2", result)


def open_audit(folder: Path, max_per_result: int = 100) -> Audit:
    return Audit(Database(folder / "pirack.db"), max_per_result=max_per_result)


def test_an_event_is_kept_with_all_that_was_said_of_it(tmp_path: Path) -> None:
    said = AuditEvent("alice", "10.23.0.9", "power off", "3, 7-9", "failed", "rasp-03-2 hangs")
    before = open_audit(tmp_path).record(make_event("reboot"))
    number = open_audit(tmp_path).record(said)
    [entry, _] = open_audit(tmp_path).list_recent(10)
    assert (entry.id, entry.event) == (number, said)
    assert number == before + 1
    assert entry.time > 0


def test_an_event_survives_a_controller_that_is_killed(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from controller.audit import Audit, Event\n"
        "from rack.database import Database\n"
        "audit = Audit(Database(Path(sys.argv[1])))\n"
        "for i in range(1_000_000):\n"
        "    print(audit.record(Event('alice', '', 'reboot', str(i), 'ok')), flush=True)\n"
    )
    path = tmp_path / "pirack.db"
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(path)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    for _ in range(20):
        process.stdout.readline()
    process.send_signal(signal.SIGKILL)
    told = 20 + len([line for line in process.stdout if line.endswith("\n")])
    process.wait(10)
    process.stdout.close()
    numbers = [entry.id for entry in Audit(Database(path)).list_recent(1_000_000)]
    assert len(numbers) >= told
    assert numbers == list(range(len(numbers), 0, -1))


def test_the_newest_of_each_result_are_kept_so_that_refusals_push_out_refusals_alone(
    tmp_path: Path,
) -> None:
    book = open_audit(tmp_path, max_per_result=100)
    book.record(make_event("reboot"))
    for i in range(1200):
        book.record(make_event(f"attempt {i}", "refused"))
    entries = book.list_recent(10_000)
    refused = [entry.event.action for entry in entries if entry.event.result == "refused"]
    assert refused[0] == "attempt 1199"
    assert len(refused) <= 100 + 500
    assert [entry.event.action for entry in entries if entry.event.result == "ok"] == ["reboot"]


def test_what_is_endless_is_cut(tmp_path: Path) -> None:
    book = open_audit(tmp_path)
    book.record(make_event("x" * 10_000))
    assert len(book.list_recent(1)[0].event.action) == 1000
