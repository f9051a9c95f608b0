"""Fork server for installers, which has imported everything.

Each line on standard input is a request in JSON, and each response is a line of JSON:

- `{"argv": […], "env": {…}, "out": FILE}` starts an installer and returns its process id. With
  `"kill_at_change": N` it is killed before its Nth change, and with `"kill_at_call": N` before its
  Nth call, see `ChangeCounter` and `CallCounter`. With `"max_file_size": BYTES` no file can grow
  further. At its end, it prints the number of its changes, or with `"counts_calls": true`, which
  takes much time, of its calls.
- `{"wait": PID}` returns the exit status, negative for a signal.
"""

import json
import os
import resource
import signal
import sys
from types import FrameType
from typing import Any

from dhcp_installer import __main__ as installer
from rack.power.drivers import snmp_client  # noqa: F401 - imported before the forks
from virtual_rack import pins  # noqa: F401

_COUNTED_CALLS = {
    "chmod", "close", "commit", "connect", "execute", "executemany", "fdatasync", "fork_exec",
    "fsync", "link", "mkdir", "open", "read", "recv", "rename", "replace", "rollback", "sendall",
    "sendto", "stat", "truncate", "unlink", "write",
}  # fmt: skip


class KillCounter:
    """Counts events, and kills the process before one of them."""

    def __init__(self, kill_at: int | None) -> None:
        self.count = 0
        self._kill_at = kill_at

    def add(self) -> None:
        self.count += 1
        if self.count == self._kill_at:
            os.kill(os.getpid(), signal.SIGKILL)


class ChangeCounter(KillCounter):
    """Counts changes by Python's audit events, which are raised before the change.

    Changes are transactions in pirack.db, renamed files, messages to the pins of the virtual rack,
    datagrams to a switch, and started programs.
    """

    def __init__(self, kill_at: int | None) -> None:
        super().__init__(kill_at)
        sys.addaudithook(self._on_audit_event)

    def _on_audit_event(self, event: str, details: tuple[Any, ...]) -> None:
        if event in {"sqlite3.connect", "os.rename", "socket.sendto", "subprocess.Popen"} or (
            event == "socket.connect" and isinstance(details[1], str)
        ):
            self.add()


class CallCounter(KillCounter):
    """Counts calls in the main thread that access files, the database, sockets and processes.

    For example, the parts of a transaction and of writing a file.
    """

    def __init__(self, kill_at: int | None) -> None:
        super().__init__(kill_at)
        sys.setprofile(self._on_profile_event)

    def _on_profile_event(self, _: FrameType, event: str, argument: Any) -> None:
        if event == "c_call" and argument.__name__ in _COUNTED_CALLS:
            self.add()


def _counter(request: dict[str, Any]) -> KillCounter:
    if request.get("counts_calls") or "kill_at_call" in request:
        return CallCounter(request.get("kill_at_call"))
    return ChangeCounter(request.get("kill_at_change"))


def start(request: dict[str, Any]) -> int:
    pid = os.fork()
    if pid:
        return pid
    status = 70
    try:
        os.environ.update(request["env"])
        with open(request["out"], "w", encoding="utf-8") as out:  # noqa: PTH123
            sys.stdout = sys.stderr = out
            if size := request.get("max_file_size"):
                resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
            counter = _counter(request)
            try:
                installer.main(request["argv"])
            except SystemExit as exit_request:
                status = int(exit_request.code or 0)
            out.write(f"{counter.count}\n")
    finally:
        os._exit(status)


def main() -> None:
    for line in sys.stdin:
        request = json.loads(line)
        if "wait" in request:
            status = os.waitstatus_to_exitcode(os.waitpid(request["wait"], 0)[1])
            response = {"status": status}
        else:
            response = {"pid": start(request)}
        sys.stdout.write(json.dumps(response) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
