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
from dhcp_installer.errors import ConfigurationError, DhcpRestartError, DhcpServerError
from rack import files

_CHECK_TIMEOUT = 45.0  # clients of the API wait for 60 s
# systemd ends a restart of Debian's unit before: it allows 5 min to stop and 5 min to start.
_RESTART_TIMEOUT = 660.0
_BUS_TIMEOUT = "120"  # systemctl waits for polkit and systemd for 25 s by default


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
            DhcpRestartError: If the server does not start.
        """


class SystemdDhcpd:
    """ISC dhcpd as a systemd unit, for example Debian's isc-dhcp-server.

    Args:
        unit: Name of the unit.
        dhcpd: The program that checks files.
        env: Environment of the program. The default is the environment of this process.
        restart_timeout: Seconds within which systemd must complete a restart.
    """

    def __init__(
        self,
        unit: str = "isc-dhcp-server",
        *,
        dhcpd: str = "dhcpd",
        env: Mapping[str, str] | None = None,
        restart_timeout: float = _RESTART_TIMEOUT,
    ) -> None:
        self._unit = unit
        self._dhcpd = dhcpd
        self._env = env
        self._restart_timeout = restart_timeout

    def check(self, path: Path) -> None:
        """Run `dhcpd -t`, see `DhcpServer.check`."""
        _run_dhcpd_test(self._dhcpd, path, self._env)

    def restart(self) -> None:
        """Restart the unit, see `DhcpServer.restart`."""
        env = {**os.environ, "SYSTEMD_BUS_TIMEOUT": _BUS_TIMEOUT}
        try:
            result = _run(["systemctl", "restart", self._unit], self._restart_timeout, env)
            if result.returncode == 0:
                command = ["systemctl", "is-active", "--quiet", self._unit]
                result = _run(command, _CHECK_TIMEOUT, env)
        except DhcpServerError as error:
            raise DhcpRestartError(f"{error}: see `systemctl status {self._unit}`") from error
        if result.returncode != 0:
            raise DhcpRestartError(
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
        DhcpRestartError: If the server did not start. The previous file was restored.
        DhcpServerError: If the check cannot run. The previous file was not changed.
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
    except DhcpRestartError as error:
        raise DhcpRestartError(f"{error}; {_roll_back(path, previous, server)}") from error
    return backup


def restore(path: Path, text: str, server: DhcpServer) -> None:
    """Write a text that was active before, and restart the server.

    The text stays even if the server does not start: it may not have run with this text before.

    Raises:
        ConfigurationError: If the file cannot be written.
        DhcpRestartError: If the server did not start. The file was written.
    """
    path = path.resolve()  # preserves a symbolic link
    try:
        _replace(path, encode(text))
    except OSError as error:
        raise _unwritable(path, error) from error
    server.restart()


@contextmanager
def _candidate(path: Path, text: str, server: DhcpServer) -> Iterator[Path]:
    """Yield a checked temporary file with this text in the folder of `path`."""
    candidate = _candidate_path(path)
    try:
        try:
            files.write_durably(candidate, encode(text), like=path)
            server.check(candidate)
            yield candidate
        finally:
            candidate.unlink(missing_ok=True)
    except OSError as error:
        raise _unwritable(path, error) from error


def _candidate_path(path: Path) -> Path:
    return path.with_name(f".{path.name}.pirack-new")


def _unwritable(path: Path, error: OSError) -> ConfigurationError:
    return ConfigurationError(
        f"{error.filename or path}: {error.strerror}: nothing was changed. The installer must be"
        " able to write to this folder"
    )


def _replace(path: Path, content: bytes) -> None:
    """Replace a file atomically, with the owner and mode of the previous one."""
    candidate = _candidate_path(path)
    try:
        files.write_durably(candidate, content, like=path)
        files.rename_durably(candidate, path)
    finally:
        candidate.unlink(missing_ok=True)


def _roll_back(path: Path, previous: bytes | None, server: DhcpServer) -> str:
    """Restore the previous file, restart the server, and return the outcome."""
    if previous is None:
        return f"{path} has no previous version to restore"
    try:
        _replace(path, previous)
        server.restart()
    except OSError as error:
        return f"the previous configuration cannot be restored: {path}: {error.strerror}"
    except DhcpRestartError as error:
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
        package = "systemd" if argv[0] == "systemctl" else "isc-dhcp-server"
        raise DhcpServerError(f"{argv[0]}: {error.strerror}: install {package}") from error
