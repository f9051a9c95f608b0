"""DHCP servers, and atomic activation of a new configuration with rollback."""

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Protocol

from dhcp_installer.config_text import encode
from dhcp_installer.dhcpd.parser import read_file
from dhcp_installer.errors import ConfigurationError, DhcpServerError
from rack import files

_CHECK_TIMEOUT = 20.0
_RESTART_TIMEOUT = 60.0


class DhcpServer(Protocol):
    """A DHCP server with a configuration file."""

    def check(self, path: Path) -> None:
        """Check a configuration file without activating it.

        Raises:
            ConfigurationError: If the file is invalid.
            DhcpServerError: If the check cannot run.
        """

    def restart(self) -> None:
        """Restart the server with the active file.

        Raises:
            DhcpServerError: If the server does not start.
        """


class SystemdDhcpd:
    """ISC dhcpd as a systemd unit, for example Debian's isc-dhcp-server.

    Args:
        unit: Name of the unit.
        dhcpd: The program that checks files.
        env: Environment of the program. The default is the environment of this process.
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
        """Run `dhcpd -t`, see `DhcpServer.check`."""
        _run_dhcpd_test(self._dhcpd, path, self._env)

    def restart(self) -> None:
        """Restart the unit, see `DhcpServer.restart`."""
        result = _run(["systemctl", "restart", self._unit], _RESTART_TIMEOUT)
        if result.returncode == 0:
            result = _run(["systemctl", "is-active", "--quiet", self._unit], _CHECK_TIMEOUT)
        if result.returncode != 0:
            raise DhcpServerError(
                f"{self._unit} does not run (see `journalctl -u {self._unit}`)"
                f"{result.stderr.strip() and ': ' + result.stderr.strip().splitlines()[0]}"
            )


class AutoReloadServer:
    """A server that rereads its file when the file changes, for example on a virtual rack.

    Args:
        dhcpd: The program that checks files, used if it is installed.
        env: Environment of the program. The default is the environment of this process.
    """

    def __init__(self, dhcpd: str = "dhcpd", env: Mapping[str, str] | None = None) -> None:
        # The PATH of many users lacks sbin.
        self._dhcpd = shutil.which(dhcpd, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
        self._env = env

    def check(self, path: Path) -> None:
        """Run `dhcpd -t` if it is installed, see `DhcpServer.check`."""
        if self._dhcpd:
            _run_dhcpd_test(self._dhcpd, path, self._env)

    def restart(self) -> None:
        """Do nothing, because the server rereads its file."""


def read_active(path: Path) -> str:
    """Return the active configuration, or an empty string if the file does not exist.

    Raises:
        ConfigurationError: If the file cannot be read.
    """
    return read_file(path) if path.exists() else ""


def check(path: Path, text: str, server: DhcpServer) -> None:
    """Check `text` as the configuration at `path` without changing anything.

    Raises:
        ConfigurationError: If the text is invalid, or the folder is not writable.
        DhcpServerError: If the check cannot run.
    """
    with _candidate(path.resolve(), text, server):
        return


def activate(
    path: Path, text: str, server: DhcpServer, *, backup_time: datetime | None = None
) -> Path | None:
    """Check `text`, atomically replace the configuration file, and restart the server.

    The server restarts even if the text is unchanged, because an earlier install may have been
    killed before the restart.

    Args:
        path: The configuration file. It need not exist.
        text: The new text.
        server: The DHCP server.
        backup_time: Time in the name of the backup of the previous file, or None for no backup.

    Returns:
        Path of the backup, or None if no backup was created.

    Raises:
        ConfigurationError: If the text is invalid or the file cannot be written. The previous file
            was not changed.
        DhcpServerError: If the server did not start. The previous file was restored.
    """
    path = path.resolve()  # preserves a symbolic link
    backup = None
    with _candidate(path, text, server) as candidate:
        previous = path.read_bytes() if path.exists() else None
        if backup_time and previous is not None and previous != encode(text):
            backup = path.with_name(f"{path.name}.{backup_time:%Y%m%dT%H%M%S}")
            files.write_durably(backup, previous, like=path)
        files.rename_durably(candidate, path)
    try:
        server.restart()
    except DhcpServerError as error:
        raise DhcpServerError(f"{error}; {_roll_back(path, previous, server)}") from error
    return backup


@contextmanager
def _candidate(path: Path, text: str, server: DhcpServer) -> Iterator[Path]:
    """Yield a checked temporary file with this text in the folder of `path`."""
    candidate = path.with_name(f".{path.name}.pirack-new")
    try:
        try:
            files.write_durably(candidate, encode(text), like=path)
            server.check(candidate)
            yield candidate
        finally:
            candidate.unlink(missing_ok=True)
    except OSError as error:
        raise ConfigurationError(
            f"{error.filename or path}: {error.strerror}: nothing was changed. The"
            " installer must be able to write to this folder"
        ) from error


def _roll_back(path: Path, previous: bytes | None, server: DhcpServer) -> str:
    """Restore the previous file, restart the server, and return the outcome."""
    if previous is None:
        return f"{path} has no previous version to restore"
    try:
        candidate = path.with_name(f".{path.name}.pirack-new")
        files.write_durably(candidate, previous, like=path)
        files.rename_durably(candidate, path)
        server.restart()
    except OSError as error:
        return f"the previous configuration cannot be restored: {path}: {error.strerror}"
    except DhcpServerError as error:
        return f"the previous configuration was restored, but also fails: {error}"
    return "the previous configuration was restored and is active"


def _run_dhcpd_test(dhcpd: str, path: Path, env: Mapping[str, str] | None) -> None:
    result = _run([dhcpd, "-4", "-t", "-cf", str(path)], _CHECK_TIMEOUT, env)
    if result.returncode != 0:
        reasons = [line for line in result.stderr.splitlines() if line.startswith(str(path))]
        raise ConfigurationError(
            "dhcpd rejected the new configuration, and the previous configuration stays active: "
            + "; ".join(reasons or result.stderr.splitlines()[-1:])
        )


def _run(
    argv: Sequence[str], timeout: float, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            argv,
            cwd="/",  # as under systemd, for relative paths of included files
            env=env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise DhcpServerError(f"`{' '.join(argv)}` did not finish in {timeout:.0f} s") from error
    except OSError as error:
        raise DhcpServerError(f"{argv[0]}: {error.strerror}: install isc-dhcp-server") from error
