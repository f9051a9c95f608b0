"""Activation of a configuration: atomic, and rolled back if the server fails."""

import os
import stat
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path
from random import Random

import pytest

from dhcp_installer.dhcpd.server import SystemdDhcpd, activate, read_active, restore
from dhcp_installer.errors import ConfigurationError, DhcpRestartError, DhcpServerError
from tools.programs import find

pytestmark = pytest.mark.process

BACKUP_TIME = datetime(2026, 11, 23, 14, 33, 40)
OLD_CONFIG = "subnet 10.23.0.0 netmask 255.255.0.0 { }\n"
NEW_CONFIG = "subnet 10.24.0.0 netmask 255.255.0.0 { }\n"
SYSTEMCTL = """#!/bin/sh
# Replaces systemctl: the unit runs unless the configuration contains `boom`, and does not end a
# restart if it contains `slow`.
echo "$@" >> "$0.calls"
[ "$1" = restart ] || exit 0
grep -q slow "$CONF" && exec sleep 1000
grep -q boom "$CONF" || exit 0
echo "Job for $2 failed." >&2
exit 1
"""


@pytest.fixture
def conf(tmp_path: Path) -> Path:
    path = tmp_path / "dhcp" / "dhcpd.conf"
    path.parent.mkdir()
    path.write_text(OLD_CONFIG)
    return path


@pytest.fixture
def server(tmp_path: Path, conf: Path, monkeypatch: pytest.MonkeyPatch) -> SystemdDhcpd:
    """The real dhcpd with a fake systemctl."""
    dhcpd = find("dhcpd")
    systemctl = tmp_path / "bin" / "systemctl"
    systemctl.parent.mkdir()
    systemctl.write_text(SYSTEMCTL)
    systemctl.chmod(0o755)
    monkeypatch.setenv("PATH", str(systemctl.parent), prepend=os.pathsep)
    monkeypatch.setenv("CONF", str(conf))
    return SystemdDhcpd(dhcpd=str(dhcpd.path), env=dhcpd.environment)


def systemctl_calls(tmp_path: Path) -> list[str]:
    path = tmp_path / "bin" / "systemctl.calls"
    return path.read_text().splitlines() if path.exists() else []


def file_names(conf: Path) -> list[str]:
    return sorted(path.name for path in conf.parent.iterdir())


def test_activation_replaces_the_file_creates_a_backup_and_restarts_the_server(
    conf: Path, server: SystemdDhcpd, tmp_path: Path
) -> None:
    conf.chmod(0o640)
    backup = activate(conf, NEW_CONFIG, server, backup_time=BACKUP_TIME)
    assert conf.read_text() == NEW_CONFIG
    assert stat.S_IMODE(conf.stat().st_mode) == 0o640
    assert backup == conf.with_name("dhcpd.conf.20261123T143340")
    assert backup.read_text() == OLD_CONFIG
    assert stat.S_IMODE(backup.stat().st_mode) == 0o640
    assert file_names(conf) == ["dhcpd.conf", backup.name]
    assert systemctl_calls(tmp_path) == [
        "restart isc-dhcp-server",
        "is-active --quiet isc-dhcp-server",
    ]


def test_file_that_dhcpd_rejects_changes_nothing(
    conf: Path, server: SystemdDhcpd, tmp_path: Path
) -> None:
    with pytest.raises(ConfigurationError, match=r"dhcpd rejected .* line 1: .*expecting"):
        activate(conf, "subnet 10.23.0.0 netmask {", server, backup_time=BACKUP_TIME)
    assert conf.read_text() == OLD_CONFIG
    assert file_names(conf) == ["dhcpd.conf"]
    assert systemctl_calls(tmp_path) == []


def test_previous_file_is_restored_if_the_server_does_not_start(
    conf: Path, server: SystemdDhcpd, tmp_path: Path
) -> None:
    with pytest.raises(
        DhcpServerError,
        match=r"isc-dhcp-server does not run .*Job for isc-dhcp-server failed.*"
        r"the previous configuration was restored and is active",
    ):
        activate(conf, f"# boom\n{NEW_CONFIG}", server, backup_time=BACKUP_TIME)
    assert conf.read_text() == OLD_CONFIG
    assert systemctl_calls(tmp_path)[-2:] == [
        "restart isc-dhcp-server",
        "is-active --quiet isc-dhcp-server",
    ]


@pytest.mark.usefixtures("server")
def test_restart_that_does_not_end_is_reported_and_the_previous_file_is_restored(
    conf: Path,
) -> None:
    dhcpd = find("dhcpd")
    impatient = SystemdDhcpd(dhcpd=str(dhcpd.path), env=dhcpd.environment, restart_timeout=5)
    with pytest.raises(
        DhcpRestartError,
        match=r"`systemctl restart isc-dhcp-server` did not finish in 5 s: see `systemctl status "
        r"isc-dhcp-server`; the previous configuration was restored and is active",
    ):
        activate(conf, f"# slow\n{NEW_CONFIG}", impatient, backup_time=BACKUP_TIME)
    assert conf.read_text() == OLD_CONFIG


def test_restored_file_stays_if_the_server_does_not_start_with_it(
    conf: Path, server: SystemdDhcpd
) -> None:
    previous = f"# boom\n{OLD_CONFIG}"
    with pytest.raises(DhcpRestartError, match="isc-dhcp-server does not run"):
        restore(conf, previous, server)
    assert conf.read_text() == previous
    assert file_names(conf) == ["dhcpd.conf"]


def test_server_that_also_fails_with_the_previous_file_is_reported(
    conf: Path, server: SystemdDhcpd
) -> None:
    conf.write_text(f"# boom\n{OLD_CONFIG}")
    with pytest.raises(DhcpServerError, match="restored, but also fails: isc-dhcp-server does not"):
        activate(conf, f"# boom\n{NEW_CONFIG}", server, backup_time=BACKUP_TIME)
    assert read_active(conf) == f"# boom\n{OLD_CONFIG}"


def test_first_file_is_created_without_a_backup(conf: Path, server: SystemdDhcpd) -> None:
    conf.unlink()
    assert read_active(conf) == ""
    assert activate(conf, NEW_CONFIG, server, backup_time=BACKUP_TIME) is None
    assert file_names(conf) == ["dhcpd.conf"]


def test_unchanged_text_restarts_the_server_without_a_backup(
    conf: Path, server: SystemdDhcpd, tmp_path: Path
) -> None:
    """An earlier install may have been killed before the restart."""
    assert activate(conf, OLD_CONFIG, server, backup_time=BACKUP_TIME) is None
    assert file_names(conf) == ["dhcpd.conf"]
    assert systemctl_calls(tmp_path)[0] == "restart isc-dhcp-server"


def test_symbolic_link_is_preserved(conf: Path, server: SystemdDhcpd, tmp_path: Path) -> None:
    link = tmp_path / "link.conf"
    link.symlink_to(conf)
    activate(link, NEW_CONFIG, server, backup_time=BACKUP_TIME)
    assert link.is_symlink()
    assert conf.read_text() == NEW_CONFIG


def test_unwritable_folder_is_reported_with_its_path(tmp_path: Path) -> None:
    unwritable = Path("/proc/self/dhcpd.conf")
    with pytest.raises(ConfigurationError, match=r"/proc/.*: nothing was changed"):
        activate(unwritable, NEW_CONFIG, SystemdDhcpd(), backup_time=BACKUP_TIME)


FULL_DISK_SCRIPT = """
import resource, signal, sys
from datetime import datetime
from pathlib import Path
from dhcp_installer.dhcpd.server import SystemdDhcpd, activate
from dhcp_installer.errors import ConfigurationError

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # a write fails, as on a full disk
resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
try:
    activate(Path(sys.argv[1]), "#" * 5000, SystemdDhcpd(), backup_time=datetime.now())
except ConfigurationError as error:
    print(error)
"""


def test_full_disk_changes_nothing(conf: Path, server: SystemdDhcpd) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK_SCRIPT, str(conf)],
        capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    assert "File too large: nothing was changed" in done.stdout, done.stderr
    assert conf.read_text() == OLD_CONFIG
    assert file_names(conf) == ["dhcpd.conf"]


def test_missing_dhcpd_is_reported(conf: Path) -> None:
    with pytest.raises(DhcpServerError, match=r"no-such-dhcpd: .*: install isc-dhcp-server"):
        activate(conf, NEW_CONFIG, SystemdDhcpd(dhcpd="no-such-dhcpd"), backup_time=BACKUP_TIME)
    assert conf.read_text() == OLD_CONFIG


REPEATED_ACTIVATION_SCRIPT = """
import sys
from datetime import datetime
from pathlib import Path
from dhcp_installer.dhcpd.server import activate

class AcceptingServer:
    def check(self, path): ...
    def restart(self): ...

print("ready", flush=True)
while True:
    for letter in "ab":
        activate(Path(sys.argv[1]), letter * 200_000, AcceptingServer(), backup_time=datetime.now())
"""


def test_kill_at_any_moment_leaves_a_complete_file(conf: Path) -> None:
    random = Random(2016)
    complete_texts = {letter * 200_000 for letter in "ab"} | {OLD_CONFIG}
    for _ in range(20):
        with subprocess.Popen(
            [sys.executable, "-c", REPEATED_ACTIVATION_SCRIPT, str(conf)], stdout=subprocess.PIPE
        ) as process:
            assert process.stdout is not None
            process.stdout.readline()
            kill_at = time.monotonic() + random.uniform(0, 0.05)
            texts = set()
            while time.monotonic() < kill_at:  # a kill now would leave this text
                texts.add(conf.read_text())
            process.kill()
        assert {*texts, conf.read_text()} <= complete_texts
