"""Script that `pirack deploy` runs on a rasp. It installs all files atomically.

Standard input contains this script and then a tar archive of the files. The script must run with
the standard library of an old python3. It prints one JSON object per line, and completes or rolls
back the installation even if the connection is lost. After a power failure, the next run finds a
journal and rolls back first.
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
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import BinaryIO

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
MAX_METRICS_BYTES = 2**20


class DeployError(Exception):
    """The files could not be installed. `pirack deploy` prints the text."""


class ManagedFile:
    """A file to install, with a temporary new file and a backup in the same folder."""

    def __init__(self, name: str) -> None:
        self.path = Path(name)
        self.new_path = self.path.with_name(f"{self.path.name}.pirack-new")
        self.backup_path = self.path.with_name(f"{self.path.name}.pirack-old")
        self.mode = FILE_MODES[name]

    def stage(self, content: bytes) -> None:
        """Write the new file."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with _create(self.new_path, self.mode) as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())

    def back_up(self) -> bool:
        """Back up the installed file. Return whether it exists."""
        self.backup_path.unlink(missing_ok=True)
        with contextlib.suppress(FileNotFoundError):
            os.link(self.path, self.backup_path, follow_symlinks=False)
            return True
        return False

    def activate(self) -> None:
        """Replace the installed file with the new file."""
        self.new_path.replace(self.path)
        _sync_folder(self.path.parent)

    def restore(self, *, existed: bool) -> None:
        """Restore the backup, or remove the file if it did not exist."""
        if not existed:
            self.path.unlink(missing_ok=True)
        elif os.path.lexists(self.backup_path):
            self.backup_path.replace(self.path)
        _sync_folder(self.path.parent)

    def remove_temporary(self) -> None:
        """Remove the new file and the backup."""
        self.new_path.unlink(missing_ok=True)
        self.backup_path.unlink(missing_ok=True)


class Deployment:
    """Installation of the files and restart of the service."""

    def __init__(self) -> None:
        self.files = {name: ManagedFile(name) for name in FILE_MODES}
        self.journal = Path(JOURNAL)

    def run(self, contents: "dict[str, bytes]", address: str, version: str) -> str:
        """Install the files and restart the service. Return a warning, or an empty string.

        Raises:
            DeployError: If a step fails. All changes were rolled back.
            OSError: If a new file cannot be written. Nothing was changed.
        """
        if self.journal.exists():
            self._roll_back()
        for file in self.files.values():
            file.remove_temporary()
        try:
            self._stage_files(contents)
            warning = self._check_aliases()
            self._write_journal()
        except (DeployError, OSError):
            for file in self.files.values():
                file.remove_temporary()
            raise
        try:
            for file in self.files.values():
                file.activate()
            _emit(stage="installed")
            for arguments in (["daemon-reload"], ["enable", SERVICE], ["restart", SERVICE]):
                _systemctl(*arguments)
            _emit(stage="restarted")
            _wait_for_exporter(address, version)
        except (DeployError, OSError) as error:
            raise DeployError(f"{error}; {self._roll_back()}") from error
        self.journal.unlink()
        _sync_folder(self.journal.parent)
        for file in self.files.values():
            file.remove_temporary()
        return warning

    def _stage_files(self, contents: "dict[str, bytes]") -> None:
        for name, file in self.files.items():
            file.stage(contents[name])
        _emit(stage="transferred")

    def _check_aliases(self) -> str:
        """Run the new exporter with the new aliases. Return a warning about failed aliases."""
        program, aliases = self.files[PROGRAM].new_path, self.files[ALIASES].new_path
        command = [sys.executable, "-I", str(program), "--check", str(aliases)]
        completed = _run(command, CHECK_TIMEOUT)
        report = completed.stdout.strip().splitlines()
        # Exit status 1 means a failed alias or a Python error. Only a check prints a summary.
        if completed.returncode not in {0, 1} or not report or " aliases, " not in report[-1]:
            raise DeployError(f"the exporter does not run on this rasp: {_last_line(completed)}")
        _emit(stage="checked")
        if completed.returncode == 0:
            return ""
        failed = [
            alias.partition(",")[0]
            for alias, line in itertools.pairwise(report)
            if line.lstrip().startswith("FAILED")
        ]
        return f"aliases without a value: {', '.join(failed)}"

    def _write_journal(self) -> None:
        previous = {
            "existing": [name for name, file in self.files.items() if file.back_up()],
            "is_enabled": _is_unit_state("is-enabled"),
            "is_active": _is_unit_state("is-active"),
        }
        temporary = self.journal.with_name(".deploy.new")
        temporary.unlink(missing_ok=True)
        with _create(temporary, 0o644) as file:
            file.write(json.dumps(previous).encode())
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(self.journal)
        _sync_folder(self.journal.parent)

    def _roll_back(self) -> str:
        """Restore the files and the service recorded in the journal. Return a status text."""
        previous = json.loads(self.journal.read_text())
        errors = []
        if not previous["is_enabled"]:
            errors += _try_systemctl("disable", SERVICE)
        if not previous["is_active"]:
            errors += _try_systemctl("stop", SERVICE)
        for name, file in self.files.items():
            file.restore(existed=name in previous["existing"])
        errors += _try_systemctl("daemon-reload")
        if previous["is_active"]:
            errors += _try_systemctl("restart", SERVICE)
        for file in self.files.values():
            file.remove_temporary()
        self.journal.unlink()
        if errors:
            return f"the previous files were restored, but {'; '.join(errors)}"
        if previous["existing"]:
            return "the previous files were restored"
        return "the new files were removed"


def _create(path: Path, mode: int) -> "BinaryIO":
    """Create a file. A link or a file of the same name is an error, and its target is unchanged."""
    file = path.open("xb")  # O_EXCL
    os.fchmod(file.fileno(), mode)
    return file


def _try_systemctl(*arguments: str) -> "list[str]":
    try:
        _systemctl(*arguments)
    except DeployError as error:
        return [str(error)]
    return []


def _systemctl(*arguments: str) -> None:
    completed = _run(["systemctl", *arguments], SYSTEMCTL_TIMEOUT)
    if completed.returncode:
        raise DeployError(f"`systemctl {' '.join(arguments)}` failed: {_last_line(completed)}")


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
        raise DeployError(f"`{' '.join(command)}` did not finish within {timeout:.0f} s") from error


def _last_line(completed: "subprocess.CompletedProcess[str]") -> str:
    lines = (completed.stderr.strip() or completed.stdout.strip()).splitlines()
    return lines[-1] if lines else f"exit status {completed.returncode}"


def _wait_for_exporter(address: str, version: str) -> None:
    deadline = time.monotonic() + EXPORTER_TIMEOUT
    expected = f'pirack_exporter_info{{version="{version}"}}'
    reason = ""
    while time.monotonic() < deadline:
        connection = HTTPConnection(address, timeout=EXPORTER_TIMEOUT)  # follows no redirects
        try:
            connection.request("GET", "/metrics")
            page = connection.getresponse().read(MAX_METRICS_BYTES).decode(errors="replace")
        except (OSError, HTTPException) as error:
            reason = str(error)
        else:
            if expected in page:
                return
            reason = "another version answers"
        finally:
            connection.close()
        time.sleep(0.1)
    raise DeployError(f"the new exporter does not answer at {address}: {reason}")


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _emit(**fields: str) -> None:
    with contextlib.suppress(OSError):  # the connection was lost: continue
        sys.stdout.write(json.dumps(fields) + "\n")
        sys.stdout.flush()


def _read_archive() -> "dict[str, bytes]":
    """Read the archive from standard input."""
    if sys.version_info < MIN_PYTHON:
        raise DeployError("python3 is too old: the exporter requires 3.11")
    with tarfile.open(fileobj=sys.stdin.buffer, mode="r|") as archive:
        contents = {}
        for member in archive:
            file = archive.extractfile(member)
            if file is not None:
                contents[member.name] = file.read()
    if set(contents) != set(FILE_MODES):
        raise DeployError("the transfer is incomplete: deploy again")
    return contents


def main(address: str, version: str) -> None:
    """Install the files from standard input and print the result."""
    for signal_number in (signal.SIGHUP, signal.SIGPIPE, signal.SIGTERM):
        signal.signal(signal_number, signal.SIG_IGN)
    os.umask(0o022)
    try:
        contents = _read_archive()
        folder = Path(JOURNAL).parent
        folder.mkdir(parents=True, exist_ok=True)
        lock = os.open(folder, os.O_RDONLY)
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        warning = Deployment().run(contents, address, version)
    except BlockingIOError:
        _emit(result="failed", detail="another deployment is running on this rasp: try again")
    except (DeployError, OSError, tarfile.TarError) as error:
        _emit(result="failed", detail=str(error))
    else:
        _emit(result="ok", detail=warning)


if __name__ == "__main__":
    main(*sys.argv[1:])
