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
FILE_MODES = {PROGRAM: 0o755, ALIASES: 0o644, SETTINGS: 0o644, UNIT: 0o644}
JOURNAL = "/etc/pirack/.deploy"

MIN_PYTHON = (3, 11)
CHECK_TIMEOUT = 120.0
SYSTEMCTL_TIMEOUT = 30.0
EXPORTER_TIMEOUT = 10.0


class DeployError(Exception):
    """Why the files did not stay; the text goes to whoever deploys."""


class ManagedFile:
    """A file's place, and beside it the new file and the old one."""

    def __init__(self, name: str) -> None:
        self.path = Path(name)
        self.new_path = self.path.with_name(f"{self.path.name}.pirack-new")
        self.backup_path = self.path.with_name(f"{self.path.name}.pirack-old")
        self.mode = FILE_MODES[name]

    def stage(self, content: bytes) -> None:
        """Write the new file beside the place."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.new_path.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        self.new_path.chmod(self.mode)

    def back_up(self) -> bool:
        """Keep the old file beside its place; tell whether there is one."""
        self.backup_path.unlink(missing_ok=True)
        with contextlib.suppress(FileNotFoundError):
            os.link(self.path, self.backup_path)
            return True
        return False

    def activate(self) -> None:
        """Put the new file into its place."""
        self.new_path.replace(self.path)
        _sync_folder(self.path.parent)

    def restore(self, *, existed: bool) -> None:
        """Put the old file back, or nothing, where nothing was."""
        if not existed:
            self.path.unlink(missing_ok=True)
        elif self.backup_path.exists():
            self.backup_path.replace(self.path)
        _sync_folder(self.path.parent)

    def remove_temporary(self) -> None:
        """Remove what is beside the place."""
        self.new_path.unlink(missing_ok=True)
        self.backup_path.unlink(missing_ok=True)


class Deployment:
    """The files on their way to their places, and the service that is made of them."""

    def __init__(self) -> None:
        self.files = {name: ManagedFile(name) for name in FILE_MODES}
        self.journal = Path(JOURNAL)

    def run(self, contents: "dict[str, bytes]", listen: str, version: str) -> str:
        """Put the files in place and the service in force; return what is to be told besides.

        Raises:
            Failed: it did not go; all is as it was before.
        """
        if self.journal.exists():
            self._roll_back()
        for place in self.files.values():
            place.remove_temporary()
        try:
            self._stage_files(contents)
            doubt = self._check_aliases()
            self._write_journal()
        except (DeployError, OSError):
            for place in self.files.values():
                place.remove_temporary()
            raise
        try:
            for place in self.files.values():
                place.activate()
            _emit(stage="in place")
            for words in (["daemon-reload"], ["enable", SERVICE], ["restart", SERVICE]):
                _systemctl(*words)
            _emit(stage="restarted")
            _wait_for_exporter(listen, version)
        except (DeployError, OSError) as error:
            raise DeployError(f"{error}; {self._roll_back()}") from error
        self.journal.unlink()
        _sync_folder(self.journal.parent)
        for place in self.files.values():
            place.remove_temporary()
        return doubt

    def _stage_files(self, contents: "dict[str, bytes]") -> None:
        for name, place in self.files.items():
            place.stage(contents[name])
        _emit(stage="brought")

    def _check_aliases(self) -> str:
        """Have the new exporter read the new aliases here; return which of them do not work."""
        program, aliases = self.files[PROGRAM].new_path, self.files[ALIASES].new_path
        words = [sys.executable, "-I", str(program), "--check", str(aliases)]
        ended = _run(words, CHECK_TIMEOUT)
        report = ended.stdout.strip().splitlines()
        # A Python that fails ends with 1 as well as a check in which an alias fails.
        if ended.returncode not in {0, 1} or not report or " aliases, " not in report[-1]:
            raise DeployError(f"the exporter does not run here: {_last_line(ended)}")
        _emit(stage="checked")
        if ended.returncode == 0:
            return ""
        failed = [
            above.partition(",")[0]
            for above, line in itertools.pairwise(report)
            if line.lstrip().startswith("FAILED")
        ]
        return f"no value here from {', '.join(failed)}"

    def _write_journal(self) -> None:
        before = {
            "there": [name for name, place in self.files.items() if place.back_up()],
            "is_enabled": _is_unit_state("is-enabled"),
            "is_active": _is_unit_state("is-active"),
        }
        fresh = self.journal.with_name(".deploy.new")
        with fresh.open("w") as file:
            json.dump(before, file)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self.journal)
        _sync_folder(self.journal.parent)

    def _roll_back(self) -> str:
        """Bring back what the journal says was there; return what came of it."""
        before = json.loads(self.journal.read_text())
        trouble = []
        if not before["is_enabled"]:
            trouble += _try_systemctl("disable", SERVICE)
        if not before["is_active"]:
            trouble += _try_systemctl("stop", SERVICE)
        for name, place in self.files.items():
            place.restore(existed=name in before["there"])
        trouble += _try_systemctl("daemon-reload")
        if before["is_active"]:
            trouble += _try_systemctl("restart", SERVICE)
        for place in self.files.values():
            place.remove_temporary()
        self.journal.unlink()
        if trouble:
            return f"the old files are back, but {'; '.join(trouble)}"
        return "the old files are back" if before["there"] else "nothing was left behind"


def _try_systemctl(*arguments: str) -> "list[str]":
    try:
        _systemctl(*arguments)
    except DeployError as error:
        return [str(error)]
    return []


def _systemctl(*arguments: str) -> None:
    ended = _run(["systemctl", *arguments], SYSTEMCTL_TIMEOUT)
    if ended.returncode:
        raise DeployError(f"`systemctl {' '.join(arguments)}` is refused: {_last_line(ended)}")


def _is_unit_state(state: str) -> bool:
    return not _run(["systemctl", "--quiet", state, SERVICE], SYSTEMCTL_TIMEOUT).returncode


def _run(command: "list[str]", timeout: float) -> "subprocess.CompletedProcess[str]":
    try:
        return subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise DeployError(f"`{' '.join(command)}` was not done after {timeout:.0f} s") from error


def _last_line(completed: "subprocess.CompletedProcess[str]") -> str:
    lines = (completed.stderr.strip() or completed.stdout.strip()).splitlines()
    return lines[-1] if lines else f"exit status {completed.returncode}"


def _wait_for_exporter(listen: str, version: str) -> None:
    """Wait until the new exporter answers."""
    deadline = time.monotonic() + EXPORTER_TIMEOUT
    wanted = f'pirack_exporter_info{{version="{version}"}}'
    why = ""
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(
                f"http://{listen}/metrics", timeout=EXPORTER_TIMEOUT
            ) as page:
                if wanted in page.read().decode(errors="replace"):
                    return
            why = "another version answers"
        except OSError as error:
            why = str(getattr(error, "reason", error))
        time.sleep(0.1)
    raise DeployError(f"the new exporter does not answer at {listen}: {why}")


def _sync_folder(folder: Path) -> None:
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def _emit(**fields: str) -> None:
    with contextlib.suppress(OSError):  # nobody listens any more: no reason to stop half-way
        sys.stdout.write(json.dumps(fields) + "\n")
        sys.stdout.flush()


def _read_archive() -> "dict[str, bytes]":
    """Read the archive on standard input to its end, before anything is touched."""
    if sys.version_info < MIN_PYTHON:
        raise DeployError("its python3 is older than 3.11, which the exporter needs")
    with tarfile.open(fileobj=sys.stdin.buffer, mode="r|") as archive:
        found = {}
        for member in archive:
            file = archive.extractfile(member)
            if file is not None:
                found[member.name] = file.read()
    if set(found) != set(FILE_MODES):
        raise DeployError("what came over SSH is not whole")
    return found


def main(listen: str, version: str) -> None:
    """Do it, and say what came of it."""
    for number in (signal.SIGHUP, signal.SIGPIPE, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    os.umask(0o022)
    try:
        contents = _read_archive()
        folder = Path(JOURNAL).parent
        folder.mkdir(parents=True, exist_ok=True)
        lock = os.open(folder, os.O_RDONLY)
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        doubt = Deployment().run(contents, listen, version)
    except BlockingIOError:
        _emit(result="failed", detail="another deploy is at work here: try again")
    except (DeployError, OSError, tarfile.TarError) as error:
        _emit(result="failed", detail=str(error))
    else:
        _emit(result="ok", detail=doubt)


if __name__ == "__main__":
    main(*sys.argv[1:])
