"""A configuration put in force: whole at any moment, and taken back where it does not serve."""

import os
import stat
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path
from random import Random

import pytest

from dhcp_installer.dhcpd.server import SystemdDhcpd, activate, read_active
from dhcp_installer.errors import ConfigurationError, DhcpServerError
from tools.programs import find

BACKUP_TIME = datetime(2026, 11, 23, 14, 33, 40)
OLD_CONFIG = "subnet 10.23.0.0 netmask 255.255.0.0 { }\n"
NEW_CONFIG = "subnet 10.24.0.0 netmask 255.255.0.0 { }\n"
SYSTEMCTL = """#!/bin/sh
# Stands in for systemd: the unit runs unless the configuration says `boom`.
echo "$@" >> "$0.said"
[ "$1" = restart ] || exit 0
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
    """The real dhcpd, which checks; systemctl alone is a stand-in."""
    dhcpd = find("dhcpd")
    systemctl = tmp_path / "bin" / "systemctl"
    systemctl.parent.mkdir()
    systemctl.write_text(SYSTEMCTL)
    systemctl.chmod(0o755)
    monkeypatch.setenv("PATH", str(systemctl.parent), prepend=os.pathsep)
    monkeypatch.setenv("CONF", str(conf))
    return SystemdDhcpd(dhcpd=str(dhcpd.path), env=dhcpd.environment)


def systemctl_calls(tmp_path: Path) -> list[str]:
    path = tmp_path / "bin" / "systemctl.said"
    return path.read_text().splitlines() if path.exists() else []


def file_names(conf: Path) -> list[str]:
    return sorted(path.name for path in conf.parent.iterdir())


def test_the_new_file_is_in_force_the_old_one_beside_it_and_the_server_restarted(
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


def test_a_file_that_dhcpd_refuses_changes_nothing(
    conf: Path, server: SystemdDhcpd, tmp_path: Path
) -> None:
    with pytest.raises(ConfigurationError, match=r"dhcpd refuses .* line 1: .*expecting"):
        activate(conf, "subnet 10.23.0.0 netmask {", server, backup_time=BACKUP_TIME)
    assert conf.read_text() == OLD_CONFIG
    assert file_names(conf) == ["dhcpd.conf"]
    assert systemctl_calls(tmp_path) == []


def test_a_server_that_does_not_come_up_gets_the_old_file_back(
    conf: Path, server: SystemdDhcpd, tmp_path: Path
) -> None:
    with pytest.raises(
        DhcpServerError,
        match=r"isc-dhcp-server does not run .*Job for isc-dhcp-server failed.*"
        r"the old configuration is back and in service",
    ):
        activate(conf, f"# boom\n{NEW_CONFIG}", server, backup_time=BACKUP_TIME)
    assert conf.read_text() == OLD_CONFIG
    assert systemctl_calls(tmp_path)[-2:] == [
        "restart isc-dhcp-server",
        "is-active --quiet isc-dhcp-server",
    ]


def test_a_server_that_fails_with_the_old_file_too_is_told(
    conf: Path, server: SystemdDhcpd
) -> None:
    conf.write_text(f"# boom\n{OLD_CONFIG}")
    with pytest.raises(DhcpServerError, match="back, but with that, too: isc-dhcp-server does not"):
        activate(conf, f"# boom\n{NEW_CONFIG}", server, backup_time=BACKUP_TIME)
    assert read_active(conf) == f"# boom\n{OLD_CONFIG}"


def test_the_first_file_is_put_where_there_was_none(conf: Path, server: SystemdDhcpd) -> None:
    conf.unlink()
    assert read_active(conf) == ""
    assert activate(conf, NEW_CONFIG, server, backup_time=BACKUP_TIME) is None
    assert file_names(conf) == ["dhcpd.conf"]


def test_the_same_text_needs_no_backup_but_a_restart(
    conf: Path, server: SystemdDhcpd, tmp_path: Path
) -> None:
    """For an earlier install may have been killed between the two."""
    assert activate(conf, OLD_CONFIG, server, backup_time=BACKUP_TIME) is None
    assert file_names(conf) == ["dhcpd.conf"]
    assert systemctl_calls(tmp_path)[0] == "restart isc-dhcp-server"


def test_a_link_stays_a_link(conf: Path, server: SystemdDhcpd, tmp_path: Path) -> None:
    link = tmp_path / "link.conf"
    link.symlink_to(conf)
    activate(link, NEW_CONFIG, server, backup_time=BACKUP_TIME)
    assert link.is_symlink()
    assert conf.read_text() == NEW_CONFIG


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    nowhere = Path("/proc/self/dhcpd.conf")
    with pytest.raises(ConfigurationError, match=r"/proc/.*: nothing was changed"):
        activate(nowhere, NEW_CONFIG, SystemdDhcpd(), backup_time=BACKUP_TIME)


FULL_DISK_SCRIPT = """
import resource, signal, sys
from datetime import datetime
from pathlib import Path
from dhcp_installer.dhcpd.server import SystemdDhcpd, put_in_force
from dhcp_installer.errors import ConfigurationError

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # so that a write fails, as on a full disk
resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
try:
    put_in_force(Path(sys.argv[1]), "#" * 5000, SystemdDhcpd(), keep_as=datetime.now())
except ConfigurationError as error:
    print(error)
"""


def test_a_full_disk_changes_nothing(conf: Path, server: SystemdDhcpd) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK_SCRIPT, str(conf)],
        capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    assert "File too large: nothing was changed" in done.stdout, done.stderr
    assert conf.read_text() == OLD_CONFIG
    assert file_names(conf) == ["dhcpd.conf"]


def test_no_dhcpd_is_told(conf: Path) -> None:
    with pytest.raises(DhcpServerError, match=r"no-such-dhcpd: .*: install isc-dhcp-server"):
        activate(conf, NEW_CONFIG, SystemdDhcpd(dhcpd="no-such-dhcpd"), backup_time=BACKUP_TIME)
    assert conf.read_text() == OLD_CONFIG


REPEATED_ACTIVATION_SCRIPT = """
import sys
from datetime import datetime
from pathlib import Path
from dhcp_installer.dhcpd.server import put_in_force

class Willing:
    def check(self, path): ...
    def restart(self): ...

print("ready", flush=True)
while True:
    for letter in "ab":
        put_in_force(Path(sys.argv[1]), letter * 200_000, Willing(), keep_as=datetime.now())
"""


def test_a_kill_at_any_moment_leaves_the_old_file_or_the_new_one(conf: Path) -> None:
    random = Random(2016)
    whole = {letter * 200_000 for letter in "ab"} | {OLD_CONFIG}
    for _ in range(20):
        with subprocess.Popen(
            [sys.executable, "-c", REPEATED_ACTIVATION_SCRIPT, str(conf)], stdout=subprocess.PIPE
        ) as process:
            assert process.stdout is not None
            process.stdout.readline()
            kill_at = time.monotonic() + random.uniform(0, 0.05)
            read = set()
            while time.monotonic() < kill_at:  # what is read now is what a kill would leave
                read.add(conf.read_text())
            process.kill()
        assert {*read, conf.read_text()} <= whole
