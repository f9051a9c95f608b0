"""Debian packages without root: fetched by the machine's own apt, unpacked in a folder of ours.

Nothing of the machine is changed: apt reads the machine's sources, keys and list of installed
packages, but keeps its own state under our folder; `dpkg -x` only unpacks, so no maintainer script
runs and no service starts. Of a package's dependencies those are fetched that the machine lacks.
Only the standard library is used, so that a machine's bare `python3` can import this module.
"""

import contextlib
import fcntl
import logging
import os
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

_log = logging.getLogger(__name__)

LOCK_SECONDS = 2400.0
# Chromium with its libraries is 200 MB, and some racks have a thin line.
COMMAND_SECONDS = 1800.0
LISTS_MAX_AGE_SECONDS = 3600.0

# The hooks of the machine's configuration would clean the machine's own caches and wake its
# desktop; they can be cleared by a file alone, not by an option.
APT_CONF = """\
#clear APT::Update;
#clear DPkg;
Debug::NoLocking "true";
APT::Sandbox::User "root";
APT::Install-Recommends "false";
Acquire::Languages "none";
Acquire::Retries "2";
Acquire::http::Timeout "30";
Acquire::https::Timeout "30";
"""


class PackageError(Exception):
    """A package cannot be had on this machine; the text is one line and says why."""


@contextlib.contextmanager
def exclusive(lock: Path, timeout: float = LOCK_SECONDS) -> Iterator[None]:
    """Hold the lock file `lock`, which the kernel frees if this process is killed.

    Raises:
        PackageError: another process held it for all of `timeout`.
    """
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("w") as file:
        deadline = time.monotonic() + timeout
        told = False
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise PackageError(
                        f"another process has held {lock} for {timeout:.0f} s: end it, try again"
                    ) from None
            if not told:
                _log.info("Waiting for another PiRack, which is fetching or installing")
                told = True
            time.sleep(0.2)
        yield


@dataclass(frozen=True)
class DebianPackages:
    """The Debian packages unpacked under the folder `folder`.

    `options` are apt options (`Dir::Etc::SourceList=…`) beyond the machine's configuration.
    """

    folder: Path
    options: tuple[str, ...] = ()

    def unpack(self, package: str, *extra_packages: str) -> Path:
        """Return the folder that holds `package` and what it needs, fetched if it is not there.

        `extra_packages` are packages to unpack with it that it does not depend on.

        The folder is complete or absent, whenever this process is killed.

        Raises:
            PackageError: no apt here, no such package, no network, or a time-out.
        """
        tree = self.folder / "debian" / package
        if tree.is_dir():
            return tree
        with exclusive(self.folder / "lock"):
            if not tree.is_dir():
                self._remove_unfinished()
                _log.info("Fetching %s from Debian's packages", package)
                with tempfile.TemporaryDirectory(prefix="unfinished-", dir=self.folder) as scratch:
                    self._fetch([package, *extra_packages], Path(scratch, "archives"))
                    unpacked = Path(scratch, "tree")
                    for archive in sorted(Path(scratch, "archives").glob("*.deb")):
                        _run(["dpkg", "-x", str(archive), str(unpacked)])
                    _make_links_relative(unpacked)
                    tree.parent.mkdir(exist_ok=True)
                    unpacked.rename(tree)
        return tree

    def _remove_unfinished(self) -> None:
        for left in self.folder.glob("unfinished-*"):
            _run(["rm", "-rf", str(left)])

    def _fetch(self, packages: Sequence[str], archives: Path) -> None:
        (archives / "partial").mkdir(parents=True)
        fresh = self.folder / "apt" / "fresh"
        stale = not fresh.exists() or time.time() - fresh.stat().st_mtime > LISTS_MAX_AGE_SECONDS
        complaints = _apt_messages(self._apt("update")) if stale else []
        try:
            # --reinstall: else apt leaves out a package that the machine itself has.
            self._apt(
                "install",
                "--download-only",
                "--reinstall",
                "--yes",
                "--option",
                f"Dir::Cache::Archives={archives}",
                *packages,
            )
        except PackageError as error:
            # Without a network it is `update` that says so, and goes on.
            raise PackageError(complaints[0] if complaints else str(error)) from error
        for package in packages:
            if not any(archives.glob(f"{package}_*.deb")):
                raise PackageError(f"apt found no archive of {package}")
        if stale:
            fresh.touch()

    def _apt(self, command: str, *arguments: str) -> str:
        apt = self.folder / "apt"
        for folder in ("state/lists/partial", "cache"):
            (apt / folder).mkdir(parents=True, exist_ok=True)
        conf = apt / "apt.conf"
        conf.write_text(APT_CONF, encoding="utf-8")
        options = (
            f"Dir::State={apt / 'state'}",
            f"Dir::State::Lists={apt / 'state' / 'lists'}",
            f"Dir::Cache={apt / 'cache'}",
            *self.options,
        )
        flags = [word for option in options for word in ("--option", option)]
        return _run(
            ["apt-get", "--quiet=2", "--config-file", str(conf), *flags, command, *arguments]
        )


def _run(command: Sequence[str]) -> str:
    """Run `command` and return what it said on stderr."""
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env={**os.environ, "LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"},
            text=True,
            errors="replace",
            timeout=COMMAND_SECONDS,
            check=False,
        )
    except FileNotFoundError:
        raise PackageError(f"this machine has no {command[0]}") from None
    except subprocess.TimeoutExpired:
        raise PackageError(f"{command[0]} took more than {COMMAND_SECONDS:.0f} s") from None
    if done.returncode != 0:
        lines = _apt_messages(done.stderr) or done.stderr.strip().splitlines()[-1:]
        reason = lines[0] if lines else f"exit status {done.returncode}"
        raise PackageError(f"{command[0]}: {reason}")
    return done.stderr


def _apt_messages(text: str) -> list[str]:
    """The errors and warnings in what apt said, errors first, without their prefix."""
    lines = [" ".join(line.split()) for line in text.splitlines()]
    return [line[3:] for prefix in ("E: ", "W: ") for line in lines if line.startswith(prefix)]


def _make_links_relative(tree: Path) -> None:
    """Make absolute links relative where they mean a file of the tree (`/bin/busybox`)."""
    for folder, folders, files in os.walk(tree):
        for name in (*folders, *files):
            link = Path(folder, name)
            if link.is_symlink() and link.readlink().is_absolute():
                target = tree / link.readlink().relative_to("/")
                if target.exists():
                    link.unlink()
                    link.symlink_to(os.path.relpath(target, link.parent))
