"""Download Debian packages with apt and unpack them in a folder, without root.

The packages installed on the machine do not change. apt uses the machine's sources, keys and list
of installed packages, but stores its own state in the folder. `dpkg -x` only unpacks, so no
maintainer scripts run and no services start. Missing dependencies are downloaded too. This module
uses only the standard library, so that the system's `python3` can import it.
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
# Long enough to download Chromium with its libraries (200 MB) over a slow connection.
COMMAND_SECONDS = 1800.0
LISTS_MAX_AGE_SECONDS = 3600.0

# The hooks of the system would clean caches and notify the desktop. Only a configuration file can
# clear these hooks.
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
    """A package is not available on this machine. The message is one line."""


@contextlib.contextmanager
def exclusive(lock: Path, timeout: float = LOCK_SECONDS) -> Iterator[None]:
    """Hold the lock file `lock` in the block. If this process is killed, the kernel releases it.

    Raises:
        PackageError: If another process still holds the lock after `timeout` seconds.
    """
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("w") as file:
        deadline = time.monotonic() + timeout
        is_logged = False
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise PackageError(
                        f"another process still holds {lock} after {timeout:.0f} s: stop that"
                        " process and try again"
                    ) from None
            if not is_logged:
                _log.info("Waiting for another process that downloads or installs packages")
                is_logged = True
            time.sleep(0.2)
        yield


@dataclass(frozen=True)
class DebianPackages:
    """Debian packages that are unpacked in `folder`.

    `options` are additional apt options, such as `Dir::Etc::SourceList=…`.
    """

    folder: Path
    options: tuple[str, ...] = ()

    def unpack(self, package: str, *extra_packages: str) -> Path:
        """Return the folder of `package` with its dependencies. Download the package if necessary.

        Even if this process is killed, the folder is either complete or missing.

        Args:
            package: Name of the package.
            extra_packages: Packages to unpack into the same folder.

        Raises:
            PackageError: If apt, the package or the network is not available, or on a timeout.
        """
        tree = self.folder / "debian" / package
        if tree.is_dir():
            return tree
        with exclusive(self.folder / "lock"):
            if not tree.is_dir():
                self._remove_unfinished()
                _log.info("Downloading Debian package %s", package)
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
        for folder in self.folder.glob("unfinished-*"):
            _run(["rm", "-rf", str(folder)])

    def _fetch(self, packages: Sequence[str], archives: Path) -> None:
        (archives / "partial").mkdir(parents=True)
        stamp = self.folder / "apt" / "fresh"
        stale = not stamp.exists() or time.time() - stamp.stat().st_mtime > LISTS_MAX_AGE_SECONDS
        update_messages = _apt_messages(self._apt("update")) if stale else []
        try:
            # Without --reinstall, apt would skip a package that is installed on the system.
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
            # Without a network, `update` succeeds, but only its warnings contain the cause.
            raise PackageError(update_messages[0] if update_messages else str(error)) from error
        for package in packages:
            if not any(archives.glob(f"{package}_*.deb")):
                raise PackageError(f"apt did not download {package}")
        if stale:
            stamp.touch()

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
        flags = [argument for option in options for argument in ("--option", option)]
        return _run(
            ["apt-get", "--quiet=2", "--config-file", str(conf), *flags, command, *arguments]
        )


def _run(command: Sequence[str]) -> str:
    """Run `command` and return its stderr."""
    try:
        result = subprocess.run(
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
        raise PackageError(f"{command[0]} is not installed") from None
    except subprocess.TimeoutExpired:
        raise PackageError(f"{command[0]} did not finish within {COMMAND_SECONDS:.0f} s") from None
    if result.returncode != 0:
        lines = _apt_messages(result.stderr) or result.stderr.strip().splitlines()[-1:]
        reason = lines[0] if lines else f"exit status {result.returncode}"
        raise PackageError(f"{command[0]}: {reason}")
    return result.stderr


def _apt_messages(text: str) -> list[str]:
    """Return the errors, then the warnings in the output of apt, without their prefixes."""
    lines = [" ".join(line.split()) for line in text.splitlines()]
    return [line[3:] for prefix in ("E: ", "W: ") for line in lines if line.startswith(prefix)]


def _make_links_relative(tree: Path) -> None:
    """Convert absolute links to files in the tree, such as `/bin/busybox`, to relative links."""
    for folder, folders, files in os.walk(tree):
        for name in (*folders, *files):
            link = Path(folder, name)
            if link.is_symlink() and link.readlink().is_absolute():
                target = tree / link.readlink().relative_to("/")
                if target.exists():
                    link.unlink()
                    link.symlink_to(os.path.relpath(target, link.parent))
