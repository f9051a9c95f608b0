"""Make this machine the master of a rack: `sudo python3 -m deploy.install_master`, in a checkout.

For Debian and Raspberry Pi OS. It can be run again, after a change of rack.toml or with a newer
checkout: what is as wanted is left alone, and what people have changed in /etc/pirack is kept. Each
version has a folder of its own under /opt/pirack/releases, made whole before it is used. Needs a
bare python3; what it does is told in docs/real-rack.md.
"""

import argparse
import logging
import os
import pwd
import shutil
import subprocess
import sys
from pathlib import Path

from deploy.release import FIRST_PYTHON_WITHOUT_LGPIO_WHEEL, RELEASES, make_release, run_python
from deploy.system import COMMAND_TIMEOUT, MasterSetupError, copy, install_conffile, link, run

CURRENT = Path("/opt/pirack/current")
SETTINGS = Path("/etc/pirack")
STATE = Path("/var/lib/pirack")
SYSTEMD = Path("/etc/systemd/system")
DHCP = Path("/etc/dhcp")
USER = "pirack"

PACKAGES = (
    "isc-dhcp-server",
    "polkitd",
    "prometheus",
    "prometheus-alertmanager",
    "prometheus-blackbox-exporter",
    "python3-venv",
    "sqlite3",
)
DROP_INS = ("prometheus", "prometheus-alertmanager", "prometheus-blackbox-exporter")
LGPIO = "python3-lgpio"
CONTROLLER = "pirack-controller"
THRESHOLDS = "thresholds.yml"

_log = logging.getLogger("install_master")


def install() -> None:
    """Bring this machine to what the checkout says.

    Raises:
        InstallError: something lacks, or a step failed; running it again goes on from there.
    """
    if os.geteuid() != 0:
        raise MasterSetupError("only root can do this: `sudo python3 -m deploy.install_master`")
    if shutil.which("apt-get") is None:
        raise MasterSetupError("this machine is no Debian: see docs/docker.md")
    _install_packages()
    _make_user()
    release = make_release()
    _write_settings(release)
    _write_units(release)
    _make_dhcpd_conf_writable()
    is_ready = _is_layout_configured(release)
    if is_ready:
        _make_dashboards(release)
    _activate_release(release)
    _start_services(is_configured=is_ready)


def _install_packages() -> None:
    # An answer that is asked for at a terminal stops a script.
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    needs_lgpio = sys.version_info >= FIRST_PYTHON_WITHOUT_LGPIO_WHEEL and not _is_installed(LGPIO)
    lacking = [name for name in PACKAGES if not _is_installed(name)]
    if lacking or needs_lgpio:
        run("apt-get", "--quiet=2", "update", env=environment)
    if needs_lgpio:
        # Raspberry Pi OS has it; Debian itself may not.
        if _succeeds("apt-cache", "show", LGPIO):
            lacking.append(LGPIO)
        else:
            _log.warning("There is no %s here, without which no relay can be driven", LGPIO)
    if lacking:
        _log.info("Installing %s", ", ".join(lacking))
        flags = ("--quiet=2", "--yes", "--no-install-recommends")
        run("apt-get", *flags, "install", *lacking, env=environment)


def _succeeds(*command: str) -> bool:
    asked = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        timeout=COMMAND_TIMEOUT,
        check=False,
    )
    return asked.returncode == 0


def _is_installed(package: str) -> bool:
    asked = subprocess.run(
        ["dpkg-query", "--show", "--showformat=${db:Status-Status}", package],
        capture_output=True,
        text=True,
        timeout=COMMAND_TIMEOUT,
        check=False,
    )
    return asked.stdout == "installed"


def _make_user() -> None:
    run("groupadd", "--system", "--force", "gpio")  # Raspberry Pi OS has it, for the pins
    try:
        pwd.getpwnam(USER)
    except KeyError:
        _log.info("Making the user %s", USER)
        home = ("--home-dir", str(STATE), "--no-create-home", "--shell", "/usr/sbin/nologin")
        run("useradd", "--system", "--user-group", *home, USER)
    for folder in (STATE, STATE / "targets"):
        folder.mkdir(parents=True, exist_ok=True)
        shutil.chown(folder, USER, USER)
    STATE.chmod(0o711)


def _write_settings(release: Path) -> None:
    """Put each file into /etc/pirack that people may change; what they have changed stays."""
    for source, target in (
        ("rack.toml", "rack.toml"),
        ("exporter/aliases.ini", "aliases.ini"),
        ("prometheus/prometheus.yml", "prometheus/prometheus.yml"),
        ("prometheus/alertmanager.yml", "prometheus/alertmanager.yml"),
        ("prometheus/blackbox.yml", "prometheus/blackbox.yml"),
        (f"prometheus/rules/{THRESHOLDS}", f"prometheus/rules/{THRESHOLDS}"),
    ):
        install_conffile((release / source).read_bytes(), SETTINGS / target)
    alertmanagers = SETTINGS / "prometheus" / "alertmanager.yml"
    shutil.chown(alertmanagers, "root", "prometheus")
    alertmanagers.chmod(0o640)  # it tells people's addresses, if not their passwords
    # The other rules come with the release; files that people have put beside them stay.
    rules = SETTINGS / "prometheus" / "rules"
    ours = {file.name for file in (release / "prometheus" / "rules").glob("*.yml")} - {THRESHOLDS}
    for name in ours:
        link(rules / name, CURRENT / "prometheus" / "rules" / name)
    for file in rules.iterdir():
        if file.is_symlink() and file.name not in ours:
            file.unlink()
    link(SETTINGS / "prometheus" / "targets", STATE / "targets")
    secrets = SETTINGS / "prometheus" / "secrets"
    secrets.mkdir(exist_ok=True)
    shutil.chown(secrets, "root", "prometheus")
    secrets.chmod(0o750)
    # The controller makes what Alertmanager says to it; the folder's group is the file's, too.
    shared = STATE / "alerts"
    shared.mkdir(exist_ok=True)
    shutil.chown(shared, USER, "prometheus")
    shared.chmod(0o2750)
    link(secrets / "alerts", shared / "secret")


def _write_units(release: Path) -> None:
    files = release / "deploy" / "master"
    copy(files / f"{CONTROLLER}.service", SYSTEMD / f"{CONTROLLER}.service")
    for name in (*DROP_INS, "grafana-server"):
        copy(files / f"{name}.conf", SYSTEMD / f"{name}.service.d" / "pirack.conf")
    copy(files / "pirack-controller", Path("/usr/local/sbin/pirack-controller"), mode=0o755)
    copy(files / "50-pirack.rules", Path("/etc/polkit-1/rules.d/50-pirack.rules"))
    copy(files / "60-pirack.conf", Path("/etc/sysctl.d/60-pirack.conf"))


def _make_dhcpd_conf_writable() -> None:
    """Let the controller write dhcpd.conf, and nothing beside it: it gets a folder of its own."""
    own, linked = DHCP / "pirack", DHCP / "dhcpd.conf"
    own.mkdir(parents=True, exist_ok=True)
    real = own / "dhcpd.conf"
    if not linked.is_symlink():
        if linked.exists():
            linked.replace(real)
        else:
            real.touch()
        link(linked, Path("pirack/dhcpd.conf"))
    for path in (own, real):
        shutil.chown(path, USER, USER)


def _is_layout_configured(release: Path) -> bool:
    """Tell whether people have said what their rack is: relays are not to be moved on a guess."""
    layout = SETTINGS / "rack.toml"
    if layout.read_bytes() == (release / "rack.toml").read_bytes():
        return False
    run_python(
        release,
        "-c",
        "import sys; from pathlib import Path; from rack.errors import RackError;"
        " from rack.layout_file import load\n"
        "try: load(Path(sys.argv[1]))\n"
        "except RackError as error: sys.exit(str(error))",
        str(layout),
    )
    return True


def _make_dashboards(release: Path) -> None:
    output = ("--output", str(release / "grafana" / "dashboards"))
    run_python(release, "-m", "grafana", "--rack", str(SETTINGS / "rack.toml"), *output)


def _activate_release(release: Path) -> None:
    if CURRENT.resolve() != release:
        _log.info("Using %s", release)
    before = CURRENT.resolve()
    link(CURRENT, release)
    link(Path("/usr/local/bin/pirack"), CURRENT / ".venv" / "bin" / "pirack")
    for old in RELEASES.iterdir():
        if old not in {release, before}:  # one is kept to go back to
            shutil.rmtree(old)


def _start_services(*, is_configured: bool) -> None:
    units = [*DROP_INS, *([CONTROLLER] if is_configured else [])]
    run("systemctl", "enable", *units)
    if Path("/run/systemd/system").is_dir():
        run("systemctl", "daemon-reload")
        run("sysctl", "--quiet", "--load", "/etc/sysctl.d/60-pirack.conf")
        run("systemctl", "restart", *units)
    else:
        _log.info("systemd does not run here: all starts when it does")
    if is_configured:
        _log.info(
            "The controller's first start tells admin's password: journalctl -u %s", CONTROLLER
        )
    else:
        _log.info("Now describe your rack in %s, and run this again", SETTINGS / "rack.toml")


def main() -> int:
    """Do it; 2 with one line where it cannot be done."""
    argparse.ArgumentParser(
        prog="python3 -m deploy.install_master",
        description="Make this Debian or Raspberry Pi OS machine the master of a rack, or bring it"
        " up to this checkout. Needs root.",
    ).parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        install()
    except (MasterSetupError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
