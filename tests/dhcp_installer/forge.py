"""Runs installers in processes of their own, forked from one that has everything imported.

Each line of standard input is a request in JSON, and an answer in JSON is printed for each.
`{"argv": […], "env": {…}, "out": FILE}` begins an installer and answers with its process. With
`"die_after": N` it kills itself at once when it has told N steps; with `"largest_file": BYTES` no
file can grow further. `{"wait": PID}` answers with its exit status, negative for a signal.
"""

import json
import os
import resource
import signal
import sys
from typing import Any

from dhcp_installer import __main__ as installer
from virtual_rack import pins  # noqa: F401 - so that no child has to import it


class Deadly:
    """A standard output that kills its process after so many steps."""

    def __init__(self, path: str, steps: int | None) -> None:
        self._file = open(path, "w", encoding="utf-8")  # noqa: PTH123, SIM115
        self._steps = steps

    def write(self, text: str) -> int:
        written = self._file.write(text)
        self._file.flush()
        if self._steps is not None and text.startswith("{") and json.loads(text).get("said"):
            self._steps -= 1
            if self._steps < 0:
                os.kill(os.getpid(), signal.SIGKILL)
        return written

    def flush(self) -> None:
        self._file.flush()

    def isatty(self) -> bool:
        return False


def begin(request: dict[str, Any]) -> int:
    pid = os.fork()
    if pid:
        return pid
    status = 70
    try:
        os.environ.update(request["env"])
        sys.stdout = sys.stderr = Deadly(request["out"], request.get("die_after"))
        if largest := request.get("largest_file"):
            resource.setrlimit(resource.RLIMIT_FSIZE, (largest, largest))
        status = installer.main(request["argv"])
    finally:
        os._exit(status)


def main() -> None:
    for line in sys.stdin:
        request = json.loads(line)
        if "wait" in request:
            status = os.waitstatus_to_exitcode(os.waitpid(request["wait"], 0)[1])
            answer = {"status": status}
        else:
            answer = {"pid": begin(request)}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
