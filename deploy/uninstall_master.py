"""Remove PiRack from a master. The DHCP server keeps its configuration and goes on.

`sudo python3 -m deploy.uninstall_master` in a checkout requires only python3. It is idempotent, and
reverses `deploy.install_master` except for Debian packages. See docs/how-to/operations.md.
"""

import argparse
import json
import logging
import os
import pwd
import shutil
import sys
from contextlib import suppress
from pathlib import Path

from deploy.install_master import (
    COMMAND_LINK,
    CURRENT,
    DHCP,
    DROP_INS,
    INSTALLED_PACKAGES,
    SETTINGS,
    STATE,
    SYSTEM_FILES,
    SYSTEMD,
    USER,
    shipped_rules,
)
from deploy.ownership import read_file
from deploy.release import CHECKOUT
from deploy.services import CONTROLLER, RELAYS, apply_udev_rules, is_systemd_running
from deploy.system import MasterSetupError, run, run_main
from rack.files import replace_file
from rack.gpio.client import SOCKET

_log = logging.getLogger("uninstall_master")


def uninstall(*, purge: bool, is_confirmed: bool) -> None:
    """Remove PiRack from this machine.

    Args:
        purge: Whether the settings, the database and the user are removed, too.
        is_confirmed: Whether stacks may get or lose power.

    Raises:
        MasterSetupError: If stacks would get or lose power without confirmation, or a step fails. A
            later run continues.
    """
    if os.geteuid() != 0:
        raise MasterSetupError("root is required: run `sudo python3 -m deploy.uninstall_master`")
    _report_relay_moves(is_confirmed=is_confirmed)
    for unit in (CONTROLLER, RELAYS):
        if (SYSTEMD / f"{unit}.service").exists():
            _log.info("Stopping %s", unit)
            run("systemctl", "disable", *_now(), unit)
    _restore_dhcpd_conf()
    _remove_system_files()
    _restore_debian_services()
    for link in shipped_rules():
        link.unlink()
    _remove_link(COMMAND_LINK)
    _remove_folder(CURRENT.parent)
    if purge:
        _purge()
    else:
        _log.info("Kept %s, %s and the user %s: --purge removes them", SETTINGS, STATE, USER)


def _report_relay_moves(*, is_confirmed: bool) -> None:
    """Report which stacks get or lose power when the service of the relays stops."""
    if not SOCKET.exists():
        return  # no service holds pins
    try:
        moves = _relay_moves()
    except MasterSetupError as error:
        if not is_confirmed:
            raise
        _log.warning("%s", error)
        return
    changes = ", ".join(
        f"{target} {'gets' if has_power else 'loses'} power" for target, has_power in moves.items()
    )
    if changes and not is_confirmed:
        raise MasterSetupError(
            f"this kernel releases the pins of the relays, so that {changes}: nothing was changed."
            " If this is intended, add --yes"
        )
    _log.info("%s now. At the next boot, all relays go to rest", changes or "No relay moves")


def _relay_moves() -> dict[str, bool]:
    """Return what has power after its relay went to rest, see `deploy.relay_moves`."""
    python = CURRENT / ".venv" / "bin" / "python"
    command = (str(python), "-m", "deploy.relay_moves", str(SETTINGS / "rack.toml"))
    moves: dict[str, bool] = json.loads(run(*command, cwd=CHECKOUT))
    return moves


def _now() -> tuple[str, ...]:
    return ("--now",) if is_systemd_running() else ()


def _restore_dhcpd_conf() -> None:
    """Move dhcpd.conf back to its place in Debian."""
    debian_path, folder = DHCP / "dhcpd.conf", DHCP / "pirack"
    if not folder.is_dir():
        return
    conf = folder / "dhcpd.conf"
    if debian_path.is_symlink() and debian_path.readlink() == Path("pirack/dhcpd.conf"):
        content, mode = read_file(conf)
        replace_file(debian_path, content, mode=mode)
        conf.unlink()
        _log.info("Restored %s with its current content", debian_path)
    try:
        folder.rmdir()
    except OSError:
        _log.info("Kept the backups in %s", folder)


def _remove_system_files() -> None:
    for _, target, _ in SYSTEM_FILES:
        target.unlink(missing_ok=True)
        if target.parent.name.endswith(".d") and target.parent.parent == SYSTEMD:
            with suppress(OSError):  # contains other drop-ins, or does not exist
                target.parent.rmdir()
    if is_systemd_running():
        run("systemctl", "daemon-reload")
    apply_udev_rules()


def _restore_debian_services() -> None:
    """Return services to Debian's configuration. Stop those that were installed for PiRack."""
    installed = INSTALLED_PACKAGES.read_text().split() if INSTALLED_PACKAGES.exists() else []
    others = [name for name in DROP_INS if name not in installed]
    own = [name for name in DROP_INS if name in installed]
    if own:
        # With Debian's configuration, they would listen on all addresses.
        run("systemctl", "disable", *_now(), *own)
    if others and is_systemd_running():
        run("systemctl", "try-restart", *others)
    if installed:
        _log.info(
            "Kept the packages that were installed for PiRack. The DHCP server needs"
            " isc-dhcp-server; to remove the others: sudo apt-get purge %s",
            " ".join(name for name in installed if name != "isc-dhcp-server"),
        )


def _purge() -> None:
    _remove_folder(SETTINGS)
    _remove_folder(STATE.resolve())  # the operator may have moved it
    _remove_link(STATE)
    _remove_folder(DHCP / "pirack")
    with suppress(KeyError):
        pwd.getpwnam(USER)
        run("userdel", USER)
    _log.info("Removed %s, %s and the user %s", SETTINGS, STATE, USER)


def _remove_folder(path: Path) -> None:
    if path.exists():
        shutil.rmtree(path)


def _remove_link(path: Path) -> None:
    if path.is_symlink():
        path.unlink()


def main() -> int:
    """Run the script. Return 2 on failure."""
    parser = argparse.ArgumentParser(
        prog="python3 -m deploy.uninstall_master",
        description="Remove PiRack from this master. The DHCP server keeps its configuration."
        " Requires root.",
    )
    parser.add_argument(
        "--purge",
        action="store_true",
        help=f"also remove {SETTINGS}, {STATE}, the backups of dhcpd.conf and the user {USER}",
    )
    parser.add_argument(
        "--yes",
        action="store_true",
        help="also if this kernel releases the pins, so that stacks get or lose power",
    )
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    return run_main(
        "deploy.uninstall_master",
        lambda: uninstall(purge=options.purge, is_confirmed=options.yes),
    )


if __name__ == "__main__":
    sys.exit(main())
