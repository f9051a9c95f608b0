"""The DHCP server that gives the rasps their addresses: checked, told a new configuration.

The file in force is whole at any moment, the old one or the new one, whenever this process is
killed; and a server that does not come up with the new one gets the old one back.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Protocol

from dhcp_installer.dhcpd.parser import read_file
from dhcp_installer.errors import ConfigurationError, DhcpServerError

_CHECK_TIMEOUT = 20.0
_RESTART_TIMEOUT = 60.0


class DhcpServer(Protocol):
    """A DHCP server with a configuration file."""

    def check(self, path: Path) -> None:
        """Have the server itself read a configuration file, without using it.

        Raises:
            ConfigurationError: it refuses the file.
            ServerError: it cannot be asked.
        """

    def restart(self) -> None:
        """Start it anew, so that it serves with the file in force.

        Raises:
            ServerError: it does not come up.
        """


class SystemdDhcpd:
    """ISC dhcpd under systemd, as Debian's isc-dhcp-server has it.

    Args:
        unit: its unit.
        dhcpd: the program.
        env: the environment for the program; this process's where None.
    """

    def __init__(
        self,
        unit: str = "isc-dhcp-server",
        *,
        dhcpd: str = "dhcpd",
        env: Mapping[str, str] | None = None,
    ) -> None:
        self._unit = unit
        self._dhcpd = dhcpd
        self._env = env

    def check(self, path: Path) -> None:
        """Ask `dhcpd -t`; see `DhcpServer`."""
        _run_dhcpd_test(self._dhcpd, path, self._env)

    def restart(self) -> None:
        """Ask systemd; see `DhcpServer`."""
        done = _run(["systemctl", "restart", self._unit], _RESTART_TIMEOUT)
        if done.returncode == 0:
            done = _run(["systemctl", "is-active", "--quiet", self._unit], _CHECK_TIMEOUT)
        if done.returncode != 0:
            raise DhcpServerError(
                f"{self._unit} does not run (see `journalctl -u {self._unit}`)"
                f"{done.stderr.strip() and ': ' + done.stderr.strip().splitlines()[0]}"
            )


class AutoReloadServer:
    """A server that reads its file anew by itself when that changes, as a virtual rack's does.

    Args:
        dhcpd: the program that checks, where this machine has it.
        env: the environment for the program; this process's where None.
    """

    def __init__(self, dhcpd: str = "dhcpd", env: Mapping[str, str] | None = None) -> None:
        # Not on the path of every user.
        self._dhcpd = shutil.which(dhcpd, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
        self._env = env

    def check(self, path: Path) -> None:
        """Ask `dhcpd -t`, if there is one; see `DhcpServer`."""
        if self._dhcpd:
            _run_dhcpd_test(self._dhcpd, path, self._env)

    def restart(self) -> None:
        """Nothing is to be restarted."""


def read_active(path: Path) -> str:
    """Return the text of the configuration in force; none where there is no file yet.

    Raises:
        ConfigurationError: it cannot be read, or is no text.
    """
    return read_file(path) if path.exists() else ""


def check(path: Path, text: str, server: DhcpServer) -> None:
    """Have the server read `text` as it would the file at `path`, and change nothing.

    Raises:
        ConfigurationError: the server refuses it, or it cannot be written there.
        ServerError: the server cannot be asked.
    """
    with _candidate(path.resolve(), text, server):
        return


def activate(
    path: Path, text: str, server: DhcpServer, *, backup_time: datetime | None = None
) -> Path | None:
    """Make `text` the server's configuration.

    Checked by the server first; then the file in force is replaced, and the server restarted: also
    where nothing is new, for an earlier install may have been killed just before.

    Args:
        path: the configuration file; it need not be there yet.
        text: the new one.
        server: reads it.
        backup_time: names a copy of the file in force, kept beside it where the text is another one;
            without it there is none.

    Returns:
        The backup, if there was something to keep.

    Raises:
        ConfigurationError: the server refuses the text, or the file cannot be written; nothing was
            changed.
        ServerError: the server did not come up with it; the file is as it was, and the text says
            whether the server is.
    """
    path = path.resolve()  # a link stays a link
    backup = None
    with _candidate(path, text, server) as fresh:
        before = path.read_bytes() if path.exists() else None
        if backup_time and before is not None and before != text.encode():
            backup = path.with_name(f"{path.name}.{backup_time:%Y%m%dT%H%M%S}")
            _write(backup, before, reference=path)
        _rename(fresh, path)
    try:
        server.restart()
    except DhcpServerError as error:
        raise DhcpServerError(f"{error}; {_roll_back(path, before, server)}") from error
    return backup


@contextmanager
def _candidate(path: Path, text: str, server: DhcpServer) -> Iterator[Path]:
    """Give a file beside `path` with this text, which the server takes; it goes with the block."""
    fresh = path.with_name(f".{path.name}.pirack-new")
    try:
        try:
            _write(fresh, text.encode(), reference=path)
            server.check(fresh)
            yield fresh
        finally:
            fresh.unlink(missing_ok=True)
    except OSError as error:
        raise ConfigurationError(
            f"{error.filename or path}: {error.strerror}: nothing was changed; PiRack's installer"
            " needs to write in this folder"
        ) from error


def _roll_back(path: Path, previous: bytes | None, server: DhcpServer) -> str:
    """Restore the file that was in force; return what came of it."""
    if previous is None:
        return f"{path} is the first one: it was left there"
    try:
        fresh = path.with_name(f".{path.name}.pirack-new")
        _write(fresh, previous, reference=path)
        _rename(fresh, path)
        server.restart()
    except OSError as error:
        return f"the old configuration cannot be put back: {path}: {error.strerror}"
    except DhcpServerError as error:
        return f"the old configuration is back, but with that, too: {error}"
    return "the old configuration is back and in service"


def _write(path: Path, content: bytes, *, reference: Path) -> None:
    """Write a file so that it is on the disk, with another's owner and mode."""
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o644)
    with os.fdopen(descriptor, "wb") as file:
        with suppress(FileNotFoundError):
            model = reference.stat()
            os.fchown(descriptor, model.st_uid, model.st_gid)
            os.fchmod(descriptor, model.st_mode & 0o777)
        file.write(content)
        file.flush()
        os.fsync(descriptor)


def _rename(candidate: Path, path: Path) -> None:
    candidate.replace(path)
    # Should this fail, a loss of power may undo the renaming: the file is whole in either case.
    with suppress(OSError):
        folder = os.open(path.parent, os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _run_dhcpd_test(dhcpd: str, path: Path, env: Mapping[str, str] | None) -> None:
    done = _run([dhcpd, "-4", "-t", "-cf", str(path)], _CHECK_TIMEOUT, env)
    if done.returncode != 0:
        reasons = [line for line in done.stderr.splitlines() if line.startswith(str(path))]
        raise ConfigurationError(
            "dhcpd refuses the new configuration, and the old one stays: "
            + "; ".join(reasons or done.stderr.splitlines()[-1:])
        )


def _run(
    argv: Sequence[str], timeout: float, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            argv,
            cwd="/",  # as under systemd: a configuration may include files by relative paths
            env=env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise DhcpServerError(f"`{' '.join(argv)}` gave no answer in {timeout:.0f} s") from error
    except OSError as error:
        raise DhcpServerError(f"{argv[0]}: {error.strerror}: install isc-dhcp-server") from error
