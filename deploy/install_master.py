"""Set up a Debian or Raspberry Pi OS machine as a master, or upgrade it.

`sudo python3 -m deploy.install_master` in a checkout requires only python3. It is idempotent and
preserves local changes in /etc/pirack. Each version is a folder in /opt/pirack/releases, which is
complete before it is used. See docs/how-to/real-rack.md.
"""

import argparse
import logging
import os
import pwd
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from deploy.ownership import Owner, make_file, make_folder
from deploy.release import RELEASES, make_release, run_python
from deploy.services import (
    CONTROLLER,
    RELAYS,
    apply_udev_rules,
    is_systemd_running,
    report_outdated_holder,
    start_services,
)
from deploy.system import (
    COMMAND_TIMEOUT,
    MasterSetupError,
    copy,
    install_conffile,
    link,
    run,
    run_main,
    write,
)

CURRENT = Path("/opt/pirack/current")
COMMAND_LINK = Path("/usr/local/bin/pirack")
INSTALLED_PACKAGES = Path("/opt/pirack/installed-packages")
SETTINGS = Path("/etc/pirack")
STATE = Path("/var/lib/pirack")
SECRET = STATE / "alerts" / "secret"
SYSTEMD = Path("/etc/systemd/system")
DHCP = Path("/etc/dhcp")
USER = "pirack"
CONTROLLER_USER = Owner(USER, USER)

PACKAGES = (
    "isc-dhcp-server",
    "polkitd",
    "prometheus",
    "prometheus-alertmanager",
    "prometheus-blackbox-exporter",
    "python3-venv",
)
DROP_INS = ("prometheus", "prometheus-alertmanager", "prometheus-blackbox-exporter")
ADMIN_COMMAND = Path("/usr/local/sbin/pirack-controller")
DOCTOR_TIMEOUT = 180.0
GPIO_RULE = "60-pirack-gpio.rules"
SYSTEM_FILES = (
    *((f"{name}.service", SYSTEMD / f"{name}.service", 0o644) for name in (CONTROLLER, RELAYS)),
    *(
        (f"{name}.conf", SYSTEMD / f"{name}.service.d" / "pirack.conf", 0o644)
        for name in (*DROP_INS, "grafana-server")
    ),
    ("amtool.yml", Path("/etc/prometheus/amtool.yml"), 0o644),
    ("amtool-http.yml", Path("/etc/prometheus/amtool-http.yml"), 0o644),
    (ADMIN_COMMAND.name, ADMIN_COMMAND, 0o755),
    ("50-pirack.rules", Path("/etc/polkit-1/rules.d/50-pirack.rules"), 0o644),
    ("60-pirack.conf", Path("/etc/sysctl.d/60-pirack.conf"), 0o644),
    (GPIO_RULE, Path("/etc/udev/rules.d") / GPIO_RULE, 0o644),
)
"""Files of the system: name in deploy/master, path on the master, mode."""
READ_AT_START = {
    "prometheus": (SETTINGS / "prometheus" / "prometheus.yml", SETTINGS / "prometheus" / "rules"),
    "prometheus-alertmanager": (SETTINGS / "prometheus" / "alertmanager.yml",),
    "prometheus-blackbox-exporter": (SETTINGS / "prometheus" / "blackbox.yml",),
    CONTROLLER: (
        CURRENT,
        *(SETTINGS / name for name in ("rack.toml", "aliases.ini", "controller.env")),
    ),
}
"""Files and folders that a service reads when it starts, besides its unit."""
THRESHOLDS = "thresholds.yml"
_RULES = SETTINGS / "prometheus" / "rules"
_SHIPPED_RULES = CURRENT / "prometheus" / "rules"

_log = logging.getLogger("install_master")


def install() -> None:
    """Set up or upgrade this machine.

    Raises:
        MasterSetupError: If a requirement is missing or a step fails. A later run continues.
    """
    if os.geteuid() != 0:
        raise MasterSetupError("root is required: run `sudo python3 -m deploy.install_master`")
    if shutil.which("apt-get") is None:
        raise MasterSetupError("this machine does not run Debian: see docs/how-to/containers.md")
    _install_packages()
    _make_user()
    release = make_release()
    _write_settings(release)
    _create_secret(release)
    _write_system_files(release)
    _make_dhcpd_conf_writable()
    is_ready = _is_layout_configured(release)
    if is_ready:
        _make_dashboards(release)
    _activate_release(release)
    _start_services(release, is_configured=is_ready)
    if is_ready and is_systemd_running():
        _report_findings()


def _install_packages() -> None:
    # Packages must not ask questions.
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    missing = [name for name in PACKAGES if not _is_installed(name)]
    if missing:
        _log.info("Installing %s", ", ".join(missing))
        run("apt-get", "--quiet=2", "update", env=environment)
        flags = ("--quiet=2", "--yes", "--no-install-recommends")
        run("apt-get", *flags, "install", *missing, env=environment)
        _record_packages(missing)


def _record_packages(names: Sequence[str]) -> None:
    """Record which packages the operator had not installed, for `deploy.uninstall_master`."""
    INSTALLED_PACKAGES.parent.mkdir(parents=True, exist_ok=True)
    earlier = INSTALLED_PACKAGES.read_text().split() if INSTALLED_PACKAGES.exists() else []
    write(INSTALLED_PACKAGES, "".join(f"{name}\n" for name in (*earlier, *names)).encode())


def _is_installed(package: str) -> bool:
    completed = subprocess.run(
        ["dpkg-query", "--show", "--showformat=${db:Status-Status}", package],
        capture_output=True,
        text=True,
        timeout=COMMAND_TIMEOUT,
        check=False,
    )
    return completed.stdout == "installed"


def _make_user() -> None:
    run("groupadd", "--system", "--force", "gpio")  # exists on Raspberry Pi OS
    try:
        pwd.getpwnam(USER)
    except KeyError:
        _log.info("Creating the user %s", USER)
        home = ("--home-dir", str(STATE), "--no-create-home", "--shell", "/usr/sbin/nologin")
        run("useradd", "--system", "--user-group", *home, USER)
    make_folder(STATE.resolve(), CONTROLLER_USER, 0o711)
    make_folder(STATE / "targets", CONTROLLER_USER, 0o755)


def _write_settings(release: Path) -> None:
    """Install the configuration files in /etc/pirack, except modified ones."""
    for source, target in (
        ("rack.toml", "rack.toml"),
        ("exporter/aliases.ini", "aliases.ini"),
        ("prometheus/prometheus.yml", "prometheus/prometheus.yml"),
        ("prometheus/alertmanager.yml", "prometheus/alertmanager.yml"),
        ("prometheus/blackbox.yml", "prometheus/blackbox.yml"),
        (f"prometheus/rules/{THRESHOLDS}", f"prometheus/rules/{THRESHOLDS}"),
    ):
        install_conffile((release / source).read_bytes(), SETTINGS / target)
    alertmanager = SETTINGS / "prometheus" / "alertmanager.yml"
    shutil.chown(alertmanager, "root", "prometheus")
    alertmanager.chmod(0o640)  # contains mail addresses
    # The other rules are links into the release. Local files in the same folder stay.
    names = {file.name for file in (release / "prometheus" / "rules").glob("*.yml")} - {THRESHOLDS}
    for name in names:
        link(_RULES / name, _SHIPPED_RULES / name)
    for file in shipped_rules():
        if file.name not in names:
            file.unlink()
    link(SETTINGS / "prometheus" / "targets", STATE / "targets")
    secrets = SETTINGS / "prometheus" / "secrets"
    secrets.mkdir(exist_ok=True)
    shutil.chown(secrets, "root", "prometheus")
    secrets.chmod(0o750)
    # setgid gives the secret the group of the folder.
    make_folder(SECRET.parent, Owner(USER, "prometheus"), 0o2750)
    link(secrets / "alerts", SECRET)
    link(secrets / "web.yml", SECRET.with_name("web.yml"))


def shipped_rules() -> Iterator[Path]:
    """Yield the links in /etc/pirack to rules of a release."""
    for file in _RULES.glob("*.yml"):
        if file.is_symlink() and file.readlink().parent == _SHIPPED_RULES:
            yield file


def _create_secret(release: Path) -> None:
    """Create the secret as the controller does. The services require it when they start."""
    run(
        *("runuser", "-u", USER, "--", str(release / ".venv" / "bin" / "python"), "-I", "-c"),
        "import sys; from pathlib import Path; from controller.alerts.secret import load_or_create;"
        " load_or_create(Path(sys.argv[1]))",
        str(SECRET),
    )


def _write_system_files(release: Path) -> None:
    for name, target, mode in SYSTEM_FILES:
        copy(release / "deploy" / "master" / name, target, mode=mode)


def _make_dhcpd_conf_writable() -> None:
    """Move dhcpd.conf to a folder of its own, which the controller may write."""
    folder, debian_path = DHCP / "pirack", DHCP / "dhcpd.conf"
    make_folder(folder, CONTROLLER_USER, 0o755)
    conf = folder / "dhcpd.conf"
    if not debian_path.is_symlink():
        if debian_path.exists():
            os.chown(debian_path, *CONTROLLER_USER.ids)  # before the controller can replace it
            _keep_replaced(conf)
            debian_path.replace(conf)
        link(debian_path, Path("pirack/dhcpd.conf"))
    make_file(conf, CONTROLLER_USER)


def _keep_replaced(conf: Path) -> None:
    """Keep a previous file, for example if an editor replaced the link to it with a new file."""
    if os.path.lexists(conf):
        kept = conf.with_name(f"{conf.name}.replaced")
        conf.replace(kept)
        _log.info("Moved the previous %s to %s", conf, kept)


def _is_layout_configured(release: Path) -> bool:
    """Validate rack.toml. Return False if it is the unmodified example."""
    layout = SETTINGS / "rack.toml"
    if layout.read_bytes() == (release / "rack.toml").read_bytes():
        return False
    run_python(
        release,
        "-c",
        "import sys; from pathlib import Path; from rack.errors import PiRackError;"
        " from rack.layout_file import load\n"
        "try: load(Path(sys.argv[1]))\n"
        "except PiRackError as error: sys.exit(str(error))",
        str(layout),
    )
    return True


def _make_dashboards(release: Path) -> None:
    output = ("--output", str(release / "grafana" / "dashboards"))
    run_python(release, "-m", "grafana", "--rack", str(SETTINGS / "rack.toml"), *output)


def _activate_release(release: Path) -> None:
    if CURRENT.resolve() != release:
        _log.info("Activating %s", release)
    previous = CURRENT.resolve()
    link(CURRENT, release)
    link(COMMAND_LINK, CURRENT / ".venv" / "bin" / "pirack")
    for folder in RELEASES.iterdir():
        if folder not in {release, previous}:  # the previous release allows a rollback
            shutil.rmtree(folder)


def _start_services(release: Path, *, is_configured: bool) -> None:
    units = [*DROP_INS, *([CONTROLLER] if is_configured else [])]
    run("systemctl", "enable", *units, *([RELAYS] if is_configured else []))
    if is_systemd_running():
        run("systemctl", "daemon-reload")
        run("sysctl", "--quiet", "--load", "/etc/sysctl.d/60-pirack.conf")
        apply_udev_rules()
        start_services({unit: _files_of(unit) for unit in units})  # and the holder of the relays
        report_outdated_holder(release)
    else:
        _log.info("systemd is not running: the services start at the next boot")
    if is_configured:
        _log.info(
            "The controller logs the password of admin at its first start: journalctl -u %s",
            CONTROLLER,
        )
    else:
        _log.info("Describe your rack in %s, then run this command again", SETTINGS / "rack.toml")


def _files_of(unit: str) -> Iterator[Path]:
    """Yield the files and folders that a service depends on."""
    yield from (SYSTEMD / f"{unit}.service", SYSTEMD / f"{unit}.service.d")
    yield from READ_AT_START[unit]


def _report_findings() -> None:
    """Print the findings of the doctor. They do not make the installation fail."""
    try:
        report = subprocess.run(
            [str(ADMIN_COMMAND), "doctor"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=DOCTOR_TIMEOUT,
            check=False,
        ).stdout
    except (OSError, subprocess.TimeoutExpired) as error:
        report = str(error)
    _log.info("`sudo pirack-controller doctor`:\n%s", report.strip())


def main() -> int:
    """Run the installer. Return 2 on failure."""
    argparse.ArgumentParser(
        prog="python3 -m deploy.install_master",
        description="Set up this Debian or Raspberry Pi OS machine as a master, or upgrade it."
        " Requires root.",
    ).parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    return run_main("deploy.install_master", install)


if __name__ == "__main__":
    sys.exit(main())
