"""What `pirack deploy` runs on a rasp: it puts all files in place, or none.

It comes over SSH as text, with a tar archive behind it, and has nothing but the rasp's python3 to
run on, which may be an old one. What it says goes to standard output, a JSON object a line; whether
anybody still listens does not matter: it always comes to an end of its own, all done or all undone.
A power cut in the midst of it leaves a journal, by which the next run begins with undoing.
"""

import contextlib
import fcntl
import itertools
import json
import os
import signal
import subprocess
import sys
import tarfile
import time
import urllib.request
from pathlib import Path

SERVICE = "pirack-exporter"
PROGRAM = "/usr/local/bin/pirack-exporter"
ALIASES = "/etc/pirack/aliases.ini"
SETTINGS = "/etc/pirack/exporter.env"
UNIT = "/etc/systemd/system/pirack-exporter.service"
FILES = {PROGRAM: 0o755, ALIASES: 0o644, SETTINGS: 0o644, UNIT: 0o644}
JOURNAL = "/etc/pirack/.deploy"

OLDEST_PYTHON = (3, 11)
CHECK_SECONDS = 120.0
SYSTEMCTL_SECONDS = 30.0
ANSWER_SECONDS = 10.0


class Failed(Exception):
    """Why the files did not stay; the text goes to whoever deploys."""


class Place:
    """A file's place, and beside it the new file and the old one."""

    def __init__(self, name: str) -> None:
        self.path = Path(name)
        self.new = self.path.with_name(f"{self.path.name}.pirack-new")
        self.old = self.path.with_name(f"{self.path.name}.pirack-old")
        self.mode = FILES[name]

    def bring(self, content: bytes) -> None:
        """Write the new file beside the place."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.new.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        self.new.chmod(self.mode)

    def keep(self) -> bool:
        """Keep the old file beside its place; tell whether there is one."""
        self.old.unlink(missing_ok=True)
        with contextlib.suppress(FileNotFoundError):
            os.link(self.path, self.old)
            return True
        return False

    def take(self) -> None:
        """Put the new file into its place."""
        self.new.replace(self.path)
        _sync(self.path.parent)

    def put_back(self, *, was_there: bool) -> None:
        """Put the old file back, or nothing, where nothing was."""
        if not was_there:
            self.path.unlink(missing_ok=True)
        elif self.old.exists():
            self.old.replace(self.path)
        _sync(self.path.parent)

    def clear(self) -> None:
        """Remove what is beside the place."""
        self.new.unlink(missing_ok=True)
        self.old.unlink(missing_ok=True)


class Deployment:
    """The files on their way to their places, and the service that is made of them."""

    def __init__(self) -> None:
        self.places = {name: Place(name) for name in FILES}
        self.journal = Path(JOURNAL)

    def run(self, contents: "dict[str, bytes]", listen: str, version: str) -> str:
        """Put the files in place and the service in force; return what is to be told besides.

        Raises:
            Failed: it did not go; all is as it was before.
        """
        if self.journal.exists():
            self._undo()
        for place in self.places.values():
            place.clear()
        try:
            self._bring(contents)
            doubt = self._check()
            self._begin()
        except (Failed, OSError):
            for place in self.places.values():
                place.clear()
            raise
        try:
            for place in self.places.values():
                place.take()
            _say(stage="in place")
            for words in (["daemon-reload"], ["enable", SERVICE], ["restart", SERVICE]):
                _systemctl(*words)
            _say(stage="restarted")
            _ask(listen, version)
        except (Failed, OSError) as error:
            raise Failed(f"{error}; {self._undo()}") from error
        self.journal.unlink()
        _sync(self.journal.parent)
        for place in self.places.values():
            place.clear()
        return doubt

    def _bring(self, contents: "dict[str, bytes]") -> None:
        for name, place in self.places.items():
            place.bring(contents[name])
        _say(stage="brought")

    def _check(self) -> str:
        """Have the new exporter read the new aliases here; return which of them do not work."""
        program, aliases = self.places[PROGRAM].new, self.places[ALIASES].new
        words = [sys.executable, "-I", str(program), "--check", str(aliases)]
        ended = _run(words, CHECK_SECONDS)
        report = ended.stdout.strip().splitlines()
        # A Python that fails ends with 1 as well as a check in which an alias fails.
        if ended.returncode not in {0, 1} or not report or " aliases, " not in report[-1]:
            raise Failed(f"the exporter does not run here: {_last_line(ended)}")
        _say(stage="checked")
        if ended.returncode == 0:
            return ""
        failed = [
            above.partition(",")[0]
            for above, line in itertools.pairwise(report)
            if line.lstrip().startswith("FAILED")
        ]
        return f"no value here from {', '.join(failed)}"

    def _begin(self) -> None:
        before = {
            "there": [name for name, place in self.places.items() if place.keep()],
            "is_enabled": _does_say("is-enabled"),
            "is_active": _does_say("is-active"),
        }
        fresh = self.journal.with_name(".deploy.new")
        with fresh.open("w") as file:
            json.dump(before, file)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self.journal)
        _sync(self.journal.parent)

    def _undo(self) -> str:
        """Bring back what the journal says was there; return what came of it."""
        before = json.loads(self.journal.read_text())
        trouble = []
        if not before["is_enabled"]:
            trouble += _try("disable", SERVICE)
        if not before["is_active"]:
            trouble += _try("stop", SERVICE)
        for name, place in self.places.items():
            place.put_back(was_there=name in before["there"])
        trouble += _try("daemon-reload")
        if before["is_active"]:
            trouble += _try("restart", SERVICE)
        for place in self.places.values():
            place.clear()
        self.journal.unlink()
        if trouble:
            return f"the old files are back, but {'; '.join(trouble)}"
        return "the old files are back" if before["there"] else "nothing was left behind"


def _try(*words: str) -> "list[str]":
    try:
        _systemctl(*words)
    except Failed as error:
        return [str(error)]
    return []


def _systemctl(*words: str) -> None:
    ended = _run(["systemctl", *words], SYSTEMCTL_SECONDS)
    if ended.returncode:
        raise Failed(f"`systemctl {' '.join(words)}` is refused: {_last_line(ended)}")


def _does_say(question: str) -> bool:
    return not _run(["systemctl", "--quiet", question, SERVICE], SYSTEMCTL_SECONDS).returncode


def _run(words: "list[str]", seconds: float) -> "subprocess.CompletedProcess[str]":
    try:
        return subprocess.run(
            words,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise Failed(f"`{' '.join(words)}` was not done after {seconds:.0f} s") from error


def _last_line(ended: "subprocess.CompletedProcess[str]") -> str:
    lines = (ended.stderr.strip() or ended.stdout.strip()).splitlines()
    return lines[-1] if lines else f"exit status {ended.returncode}"


def _ask(listen: str, version: str) -> None:
    """Wait until the new exporter answers."""
    deadline = time.monotonic() + ANSWER_SECONDS
    wanted = f'pirack_exporter_info{{version="{version}"}}'
    why = ""
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"http://{listen}/metrics", timeout=ANSWER_SECONDS) as page:
                if wanted in page.read().decode(errors="replace"):
                    return
            why = "another version answers"
        except OSError as error:
            why = str(getattr(error, "reason", error))
        time.sleep(0.1)
    raise Failed(f"the new exporter does not answer at {listen}: {why}")


def _sync(folder: Path) -> None:
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def _say(**words: str) -> None:
    with contextlib.suppress(OSError):  # nobody listens any more: no reason to stop half-way
        sys.stdout.write(json.dumps(words) + "\n")
        sys.stdout.flush()


def _contents() -> "dict[str, bytes]":
    """Read the archive on standard input to its end, before anything is touched."""
    if sys.version_info < OLDEST_PYTHON:
        raise Failed("its python3 is older than 3.11, which the exporter needs")
    with tarfile.open(fileobj=sys.stdin.buffer, mode="r|") as archive:
        found = {}
        for member in archive:
            file = archive.extractfile(member)
            if file is not None:
                found[member.name] = file.read()
    if set(found) != set(FILES):
        raise Failed("what came over SSH is not whole")
    return found


def main(listen: str, version: str) -> None:
    """Do it, and say what came of it."""
    for number in (signal.SIGHUP, signal.SIGPIPE, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    os.umask(0o022)
    try:
        contents = _contents()
        folder = Path(JOURNAL).parent
        folder.mkdir(parents=True, exist_ok=True)
        lock = os.open(folder, os.O_RDONLY)
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        doubt = Deployment().run(contents, listen, version)
    except BlockingIOError:
        _say(result="failed", detail="another deploy is at work here: try again")
    except (Failed, OSError, tarfile.TarError) as error:
        _say(result="failed", detail=str(error))
    else:
        _say(result="ok", detail=doubt)


if __name__ == "__main__":
    main(*sys.argv[1:])
