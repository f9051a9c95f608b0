"""Runs installers in processes of their own, forked from one that has everything imported.

Each line of standard input is a request in JSON, and an answer in JSON is printed for each.
`{"argv": […], "env": {…}, "out": FILE}` begins an installer and answers with its process. With
`"die_at": N` it is killed just before it changes the world for the Nth time: see `ChangeCounter`. With
`"largest_file": BYTES` no file can grow further. `{"wait": PID}` answers with its exit status,
negative for a signal.
"""

import json
import os
import resource
import signal
import sys
from typing import Any

from dhcp_installer import __main__ as installer
from virtual_rack import pins  # noqa: F401 - so that no child has to import it


class ChangeCounter:
    """Counts what changes the world, as Python's audit events tell it just before it is done.

    That is each transaction in pirack.db, each file that is renamed, each word to the virtual
    rack's pins, and each program that is started.
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
            if largest := request.get("largest_file"):
                resource.setrlimit(resource.RLIMIT_FSIZE, (largest, largest))
            changes = ChangeCounter(request.get("die_at"))
            status = installer.main(request["argv"])
            out.write(f"{changes.count} changes\n")
    finally:
        os._exit(status)


def main() -> None:
    for line in sys.stdin:
        request = json.loads(line)
        if "wait" in request:
            status = os.waitstatus_to_exitcode(os.waitpid(request["wait"], 0)[1])
            answer = {"status": status}
        else:
            answer = {"pid": start(request)}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
