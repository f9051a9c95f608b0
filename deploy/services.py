"""Start the services of a master, and restart those whose files have changed since their start."""

import hashlib
import logging
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from deploy.system import run, write
from rack.gpio.client import SOCKET, HolderClient, program_digest
from rack.gpio.errors import GpioError

CONTROLLER, RELAYS = "pirack-controller", "pirack-relays"
STARTED = Path("/opt/pirack/started")
"""Folder with the state of the files with which each service was started."""

_log = logging.getLogger("install_master")


def is_systemd_running() -> bool:
    """Return whether systemd runs on this machine."""
    return Path("/run/systemd/system").is_dir()


def start_services(files: Mapping[str, Iterable[Path]], *, started: Path = STARTED) -> None:
    """Restart the services whose files have changed, and start all others that do not run.

    Args:
        files: Files and folders that each service reads when it starts, keyed by its unit.
        started: Folder for the state of these files. If it is lost, all services are restarted.

    Raises:
        MasterSetupError: If a service does not start. The next call restarts it.
    """
    states = {unit: state_of(paths) for unit, paths in files.items()}
    changed = [unit for unit in files if _read(started / unit) != states[unit]]
    if changed:
        _log.info("Restarting %s", ", ".join(changed))
        run("systemctl", "restart", *changed)
    run("systemctl", "start", *files)
    started.mkdir(parents=True, exist_ok=True)
    for unit in changed:
        write(started / unit, states[unit].encode())


def state_of(paths: Iterable[Path]) -> str:
    """Return a hash that differs if a file was edited, replaced, added or removed.

    The times are part of it, because a service may have been restarted between two changes that
    cancel each other. The time of a link's target is not, because each release has new files.

    Args:
        paths: Files, links, and folders of such. They may be missing.
    """
    digest = hashlib.sha256()
    for path in paths:
        for file in _files(path):
            target = file.readlink() if file.is_symlink() else ""
            content = file.read_bytes() if file.is_file() else b""
            changed_at = file.lstat().st_mtime_ns
            digest.update(f"{file}\0{target}\0{changed_at}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()


def _files(path: Path) -> Iterator[Path]:
    if path.is_dir() and not path.is_symlink():
        yield from sorted(path.iterdir())
    elif path.is_symlink() or path.exists():
        yield path


def _read(file: Path) -> str:
    return file.read_text() if file.exists() else ""


def report_outdated_holder(release: Path) -> None:
    """Report if an earlier version holds the relays. Only the operator restarts it."""
    if not SOCKET.exists():
        return
    try:
        running = HolderClient().request("status")["program"]
    except GpioError as error:
        _log.warning("%s", error)
        return
    if running != program_digest(release / "rack" / "gpio"):
        _log.info(
            "A newer version of the service %s is installed. To use it, which moves no relay:"
            " sudo systemctl restart %s",
            *(RELAYS, RELAYS),
        )


def apply_udev_rules() -> None:
    """Apply the rule for GPIO chips to the chips that exist."""
    if Path("/run/udev/control").exists():
        run("udevadm", "control", "--reload")
        run("udevadm", "trigger", "--settle", "--subsystem-match=gpio", "--action=change")
