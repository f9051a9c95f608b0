"""`deploy.install_master` with real packages and a real package index, but without systemd."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.deploy.overlay_machine import ROOT, OverlayMachine, running_machine
from tests.deploy.units import exec_start
from tests.helpers.waiting import TIMEOUT_SECONDS, free_port, is_reachable, wait_until

pytestmark = pytest.mark.process

UNITS = "/etc/systemd/system/multi-user.target.wants"


@pytest.fixture(scope="module")
def installed_machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OverlayMachine]:
    """Return a machine on which the script ran once."""
    with running_machine(tmp_path_factory.mktemp("machine")) as machine:
        completed = machine.install()
        last = completed.stderr.strip().splitlines()[-1]
        if completed.returncode == 2 and ("apt-get" in last or "make_venv" in last):
            pytest.skip(f"packages are not available: {last}")
        assert completed.returncode == 0, completed.stderr
        assert last == "Describe your rack in /etc/pirack/rack.toml, then run this command again"
        yield machine


@pytest.fixture(scope="module")
def master(installed_machine: OverlayMachine) -> OverlayMachine:
    """Return the machine after a second run with a configured rack."""
    assert not installed_machine.path(f"{UNITS}/pirack-controller.service").is_symlink()
    layout = installed_machine.path("/etc/pirack/rack.toml")
    layout.write_text(layout.read_text().replace('name = "pirack"', 'name = "room-5"'))
    completed = installed_machine.install()
    assert completed.returncode == 0, completed.stderr
    return installed_machine


def test_services_are_enabled_when_rack_is_configured(master: OverlayMachine) -> None:
    enabled = {file.name for file in master.path(UNITS).iterdir()}
    assert enabled >= {
        "pirack-controller.service",
        "prometheus.service",
        "prometheus-alertmanager.service",
        "prometheus-blackbox-exporter.service",
    }


def test_third_run_changes_nothing(master: OverlayMachine) -> None:
    previous = master.list_files()
    assert master.install().returncode == 0
    assert master.list_files() == previous


def test_configuration_files_are_valid_and_readable(master: OverlayMachine) -> None:
    folder = "/etc/pirack/prometheus"
    assert "SUCCESS" in master.output_of("promtool", "check", "config", f"{folder}/prometheus.yml")
    master.output_of("amtool", "check-config", f"{folder}/alertmanager.yml")
    master.output_of(
        "prometheus-blackbox-exporter", f"--config.file={folder}/blackbox.yml", "--config.check"
    )
    for file in ("alertmanager.yml", "rules/thresholds.yml", "rules/rasp_state.yml"):
        master.output_of("runuser", "-u", "prometheus", "--", "cat", f"{folder}/{file}")
    assert master.path(f"{folder}/alertmanager.yml").stat().st_mode & 0o007 == 0


def test_controller_and_its_commands_run_as_its_user(
    master: OverlayMachine,
) -> None:
    unit = (ROOT / "deploy" / "master" / "pirack-controller.service").read_text()
    port = free_port()
    command = [word for word in exec_start(unit) if word != "$OPTIONS"]
    command[-1] = f"--listen=127.0.0.1:{port}"
    with master.start("runuser", "-u", "pirack", "--", *command) as controller:
        url = f"http://127.0.0.1:{port}/healthz"
        wait_until(lambda: controller.poll() is not None or is_reachable(url))
        for process in psutil.Process(controller.pid).children(recursive=True):
            process.terminate()
        output, _ = controller.communicate(timeout=TIMEOUT_SECONDS)
    assert "Log in as admin with the password" in output
    arguments = ["user", "add", "alice", "--role", "viewer", "--generate"]
    assert "not shown again" in master.output_of("pirack-controller", *arguments)
    assert "alice" in master.output_of("pirack-controller", "user", "list")
    status = master.output_of("stat", "-c", "%U %a", "/var/lib/pirack/pirack.db")
    assert status == "pirack 600\n"
    master.output_of(
        "runuser", "-u", "prometheus", "--", "cat", "/etc/pirack/prometheus/targets/rasp.json"
    )
    secret = "/etc/pirack/prometheus/secrets/alerts"
    assert len(master.output_of("runuser", "-u", "prometheus", "--", "cat", secret)) > 20
    assert master.run("runuser", "-u", "nobody", "--", "cat", secret).returncode != 0
    web_config = "/etc/pirack/prometheus/secrets/web.yml"
    hashed = master.output_of("runuser", "-u", "prometheus", "--", "cat", web_config)
    assert hashed.startswith("basic_auth_users:\n  pirack: $2")
    assert master.run("runuser", "-u", "nobody", "--", "cat", web_config).returncode != 0
    assert master.output_of("pirack", "--version").startswith("pirack ")


def test_documented_backup_and_restore_keep_contents_owners_and_modes(
    master: OverlayMachine,
) -> None:
    page = (ROOT / "docs" / "how-to" / "operations.md").read_text()
    backup, restore = (
        next(line.split()[1:] for line in page.splitlines() if f"pirack-controller {name}" in line)
        for name in ("backup", "restore")
    )
    folders = ("/etc/pirack", "/var/lib/pirack/ssh", "/var/lib/pirack/alerts", "/etc/dhcp/pirack")
    listing = ("find", *folders, "-type", "f", "-printf", "%p %u %g %m %s\\n")
    master.output_of("pirack-controller", "ssh", "key")
    users = master.output_of("pirack-controller", "user", "list")
    previous = set(master.output_of(*listing).splitlines())
    completed = master.run(*backup, folder="/root")
    assert (completed.returncode, completed.stderr) == (0, "")
    assert master.output_of("stat", "-c", "%U %a", f"/root/{backup[-1]}") == "root 600\n"
    assert master.run(*backup, folder="/root").returncode == 2
    for name in ("ssh/id_ed25519", "ssh/id_ed25519.pub", "pirack.db", "alerts/secret"):
        master.output_of("rm", f"/var/lib/pirack/{name}")
    for name in ("/etc/pirack/rack.toml", "/etc/pirack/prometheus/alertmanager.yml"):
        master.output_of("sh", "-c", f"echo changed > {name}; chmod 666 {name}")
    completed = master.run(*restore, folder="/root")
    assert (completed.returncode, completed.stderr) == (0, "")
    assert set(master.output_of(*listing).splitlines()) == previous
    assert master.output_of("pirack-controller", "user", "list") == users
    status = master.output_of("stat", "-c", "%U %a", "/var/lib/pirack/pirack.db")
    assert status == "pirack 600\n"


def test_words_of_other_commands_do_not_make_root_run_them(master: OverlayMachine) -> None:
    master.output_of("pirack-controller", "token", "add", "backup", "--role", "viewer")
    owners = master.output_of("sh", "-c", "stat -c %U /var/lib/pirack/pirack.db*")
    assert set(owners.split()) == {"pirack"}


def test_controller_user_can_write_only_folder_of_dhcpd_conf(
    master: OverlayMachine,
) -> None:
    as_pirack = ("runuser", "-u", "pirack", "--", "sh", "-c")
    master.output_of(*as_pirack, "echo '# comment' >> /etc/dhcp/dhcpd.conf")
    master.output_of(*as_pirack, "cp /etc/dhcp/pirack/dhcpd.conf /etc/dhcp/pirack/new")
    for file in ("/etc/dhcp/other", "/etc/pirack/rack.toml", "/opt/pirack/current/README.md"):
        assert master.run(*as_pirack, f"echo x >> {file}").returncode != 0
    assert "# comment" in master.output_of("cat", "/etc/dhcp/dhcpd.conf")


def test_dashboards_are_generated_from_layout(master: OverlayMachine) -> None:
    assert "room-5" in master.output_of(
        "sh", "-c", "cat /opt/pirack/current/grafana/dashboards/*.json"
    )


def test_release_contains_exporter_archive(master: OverlayMachine) -> None:
    master.output_of("test", "-x", "/opt/pirack/current/dist/pirack-exporter.pyz")
    usage = master.output_of("/opt/pirack/current/dist/pirack-exporter.pyz", "--help")
    assert "usage: pirack-exporter" in usage


def test_invalid_layout_is_rejected(master: OverlayMachine) -> None:
    layout = master.path("/etc/pirack/rack.toml")
    valid = layout.read_text()
    layout.write_text(valid.replace("pin = 17", "pin = 16"))
    completed = master.install()
    layout.write_text(valid)
    assert completed.returncode == 2
    assert completed.stderr.splitlines()[-1].endswith(
        "stacks[2].pin: pin 16 is already used by stack 1: use a different pin"
    )


@pytest.mark.parametrize(
    ("planted", "victim"),
    [
        ("/etc/dhcp/pirack/dhcpd.conf", "/etc/shadow"),
        ("/var/lib/pirack/targets", "/etc"),
        ("/var/lib/pirack/alerts", "/root"),
    ],
)
def test_installation_does_not_follow_links_of_the_controllers_user(
    master: OverlayMachine, planted: str, victim: str
) -> None:
    attributes = ("stat", "-c", "%n %U %G %a %Y", victim)
    previous = master.output_of(*attributes)
    as_pirack = ("runuser", "-u", "pirack", "--", "sh", "-c")
    master.output_of(*as_pirack, f"mv {planted} {planted}.kept && ln -s {victim} {planted}")
    completed = master.install()
    master.output_of(*as_pirack, f"rm {planted} && mv {planted}.kept {planted}")
    assert completed.returncode == 2
    assert f"{planted} is a link or another unexpected file" in completed.stderr
    assert master.output_of(*attributes) == previous


def test_rules_and_links_of_the_operator_are_kept(master: OverlayMachine) -> None:
    link = "/etc/pirack/prometheus/rules/own.yml"
    outdated = "/etc/pirack/prometheus/rules/outdated.yml"
    shipped = "/opt/pirack/current/prometheus/rules/outdated.yml"
    master.output_of("ln", "-s", "/srv/own.yml", link)
    master.output_of("ln", "-s", shipped, outdated)
    assert master.install().returncode == 0
    assert master.output_of("readlink", link) == "/srv/own.yml\n"
    assert master.run("readlink", outdated).returncode != 0
    master.output_of("rm", link)


def test_replaced_dhcpd_conf_is_moved_and_the_previous_file_is_kept(
    master: OverlayMachine,
) -> None:
    conf = "/etc/dhcp/pirack/dhcpd.conf"
    previous = master.output_of("cat", conf)
    master.output_of("sh", "-c", "rm /etc/dhcp/dhcpd.conf; echo '# edited' > /etc/dhcp/dhcpd.conf")
    assert master.install().returncode == 0
    assert master.output_of("readlink", "/etc/dhcp/dhcpd.conf") == "pirack/dhcpd.conf\n"
    assert master.output_of("cat", conf) == "# edited\n"
    assert master.output_of("cat", f"{conf}.replaced") == previous
    assert master.output_of("stat", "-c", "%U", conf) == "pirack\n"


@pytest.mark.verify
def test_upgrade_activates_new_release_and_preserves_local_changes(
    master: OverlayMachine,
) -> None:
    """This test must be the last one: it changes the machine."""
    previous = master.output_of("readlink", "/opt/pirack/current").strip()
    modified = master.path("/etc/pirack/prometheus/prometheus.yml")
    modified.write_text(modified.read_text() + "# local\n")
    sources = "tar -C /checkout --exclude=./.?* --exclude=./build -c ."  # without caches and demos
    master.output_of("sh", "-c", f"mkdir /newer && {sources} | tar -C /newer -x")
    for name in ("prometheus/prometheus.yml", "prometheus/rules/rasp_state.yml"):
        file = master.path(f"/newer/{name}")
        file.write_text(file.read_text() + "# newer\n")
    completed = master.install("/newer")
    assert completed.returncode == 0, completed.stderr
    assert "Kept /etc/pirack/prometheus/prometheus.yml because of local changes" in completed.stderr
    assert modified.read_text().endswith("# local\n")
    assert modified.with_name("prometheus.yml.new").read_text().endswith("# newer\n")
    rules = master.output_of("cat", "/etc/pirack/prometheus/rules/rasp_state.yml")
    assert rules.endswith("# newer\n")
    current = master.output_of("readlink", "/opt/pirack/current").strip()
    releases = master.output_of("ls", "/opt/pirack/releases").split()
    assert current != previous
    assert releases == sorted(Path(release).name for release in (previous, current))


def test_users_other_than_root_are_rejected(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        command = [sys.executable]
    else:
        command = ["setpriv", "--reuid=65534", "--clear-groups", "/usr/bin/python3"]
    completed = subprocess.run(
        [*command, "-m", "deploy.install_master"],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=TIMEOUT_SECONDS,
        check=False,
    )
    assert completed.returncode == 2
    assert re.fullmatch(r"deploy.install_master: root is required: .+\n", completed.stderr)
