"""Fork server for installers, which has imported everything.

Each line on standard input is a request in JSON, and each response is a line of JSON:

- `{"argv": […], "env": {…}, "out": FILE}` starts an installer and returns its process id. With
  `"kill_at": N` it is killed before its Nth change, see `ChangeCounter`. With
  `"max_file_size": BYTES` no file can grow further.
- `{"wait": PID}` returns the exit status, negative for a signal.
"""

import json
import os
import resource
import signal
import sys
from typing import Any

from dhcp_installer import __main__ as installer
from virtual_rack import pins  # noqa: F401 - imported before the forks


class ChangeCounter:
    """Counts changes by Python's audit events, which are raised before the change.

    Changes are transactions in pirack.db, renamed files, messages to the pins of the virtual rack
    and started programs.
    """

    def __init__(self, kill_at: int | None) -> None:
        self.count = 0
        self._kill_at = kill_at
        sys.addaudithook(self._on_audit_event)

    def _on_audit_event(self, event: str, details: tuple[Any, ...]) -> None:
        if event in {"sqlite3.connect", "os.rename", "subprocess.Popen"} or (
            event == "socket.connect" and isinstance(details[1], str)
        ):
            self.count += 1
            if self.count == self._kill_at:
                os.kill(os.getpid(), signal.SIGKILL)


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
            changes = ChangeCounter(request.get("kill_at"))
            try:
                installer.main(request["argv"])
            except SystemExit as exit_request:
                status = int(exit_request.code or 0)
            out.write(f"{changes.count} changes\n")
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
