"""`deploy.install_master` with systemd, real packages and a real package index."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deploy.master_machine import MasterMachine, installed_master
from tests.helpers.waiting import TIMEOUT_SECONDS

pytestmark = pytest.mark.process

ROOT = Path(__file__).parents[2]
UNITS = "/etc/systemd/system/multi-user.target.wants"
SERVICES = (
    "pirack-controller",
    "prometheus",
    "prometheus-alertmanager",
    "prometheus-blackbox-exporter",
)


@pytest.fixture(scope="module")
def master(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MasterMachine]:
    """Return a machine after a second run with a configured rack."""
    with installed_master(tmp_path_factory.mktemp("machine")) as machine:
        assert not machine.path(f"{UNITS}/pirack-controller.service").is_symlink()
        machine.configure_rack()
        completed = machine.install()
        assert completed.returncode == 0, completed.stderr
        yield machine


@pytest.fixture(scope="module")
def controller_output(master: MasterMachine) -> str:
    """Return the journal of the controller once it is available."""
    master.wait_for_controller()
    return master.output_of("journalctl", "--unit=pirack-controller", "--output=cat")


def test_services_are_enabled_when_rack_is_configured(master: MasterMachine) -> None:
    enabled = {file.name for file in master.path(UNITS).iterdir()}
    assert enabled >= {f"{unit}.service" for unit in SERVICES}


def test_third_run_changes_nothing(master: MasterMachine) -> None:
    previous = master.list_files(), [master.main_pid(unit) for unit in SERVICES]
    assert master.install().returncode == 0
    assert (master.list_files(), [master.main_pid(unit) for unit in SERVICES]) == previous


def test_changed_threshold_restarts_only_prometheus(master: MasterMachine) -> None:
    previous = {unit: master.main_pid(unit) for unit in SERVICES}
    thresholds = master.path("/etc/pirack/prometheus/rules/thresholds.yml")
    thresholds.write_text(thresholds.read_text() + "# edited\n")
    assert master.install().returncode == 0
    restarted = {unit for unit in SERVICES if master.main_pid(unit) != previous[unit]}
    assert restarted == {"prometheus"}


def test_configuration_files_are_valid_and_readable(master: MasterMachine) -> None:
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
    master: MasterMachine, controller_output: str
) -> None:
    assert "Log in as admin with the password" in controller_output
    pid = master.main_pid("pirack-controller")
    assert master.output_of("stat", "-c", "%U", f"/proc/{pid}") == "pirack\n"
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
    master: MasterMachine,
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
    master.output_of("systemctl", "stop", "pirack-controller")
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


def test_words_of_other_commands_do_not_make_root_run_them(master: MasterMachine) -> None:
    master.output_of("pirack-controller", "token", "add", "backup", "--role", "viewer")
    owners = master.output_of("sh", "-c", "stat -c %U /var/lib/pirack/pirack.db*")
    assert set(owners.split()) == {"pirack"}


def test_controller_user_can_write_only_folder_of_dhcpd_conf(
    master: MasterMachine,
) -> None:
    as_pirack = ("runuser", "-u", "pirack", "--", "sh", "-c")
    master.output_of(*as_pirack, "echo '# comment' >> /etc/dhcp/dhcpd.conf")
    master.output_of(*as_pirack, "cp /etc/dhcp/pirack/dhcpd.conf /etc/dhcp/pirack/new")
    for file in ("/etc/dhcp/other", "/etc/pirack/rack.toml", "/opt/pirack/current/README.md"):
        assert master.run(*as_pirack, f"echo x >> {file}").returncode != 0
    assert "# comment" in master.output_of("cat", "/etc/dhcp/dhcpd.conf")


def test_dashboards_are_generated_from_layout(master: MasterMachine) -> None:
    assert "room-5" in master.output_of(
        "sh", "-c", "cat /opt/pirack/current/grafana/dashboards/*.json"
    )


def test_release_contains_exporter_archive(master: MasterMachine) -> None:
    master.output_of("test", "-x", "/opt/pirack/current/dist/pirack-exporter.pyz")
    usage = master.output_of("/opt/pirack/current/dist/pirack-exporter.pyz", "--help")
    assert "usage: pirack-exporter" in usage


def test_invalid_layout_is_rejected(master: MasterMachine) -> None:
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
    master: MasterMachine, planted: str, victim: str
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


OWN_RULES = "/etc/pirack/prometheus/rules/own.yml"
OUTDATED_RULES = "/etc/pirack/prometheus/rules/outdated.yml"
ACTIVE_CONF = "/etc/dhcp/pirack/dhcpd.conf"


@pytest.fixture(scope="module")
def previous_conf(master: MasterMachine) -> str:
    """Run the script after changes of the operator. Return the previous dhcpd.conf."""
    previous = master.output_of("cat", ACTIVE_CONF)
    shipped = "/opt/pirack/current/prometheus/rules/outdated.yml"
    master.output_of("ln", "-s", "/srv/own.yml", OWN_RULES)
    master.output_of("ln", "-s", shipped, OUTDATED_RULES)
    master.output_of("sh", "-c", "rm /etc/dhcp/dhcpd.conf; echo '# edited' > /etc/dhcp/dhcpd.conf")
    assert master.install().returncode == 0
    return previous


@pytest.mark.usefixtures("previous_conf")
def test_rules_and_links_of_the_operator_are_kept(master: MasterMachine) -> None:
    assert master.output_of("readlink", OWN_RULES) == "/srv/own.yml\n"
    assert master.run("readlink", OUTDATED_RULES).returncode != 0


def test_replaced_dhcpd_conf_is_moved_and_the_previous_file_is_kept(
    master: MasterMachine, previous_conf: str
) -> None:
    assert master.output_of("readlink", "/etc/dhcp/dhcpd.conf") == "pirack/dhcpd.conf\n"
    assert master.output_of("cat", ACTIVE_CONF) == "# edited\n"
    assert master.output_of("cat", f"{ACTIVE_CONF}.replaced") == previous_conf
    assert master.output_of("stat", "-c", "%U", ACTIVE_CONF) == "pirack\n"


@pytest.mark.parametrize("script", ["install_master", "uninstall_master"])
def test_users_other_than_root_are_rejected(script: str) -> None:
    if os.geteuid() != 0:
        command = [sys.executable]
    else:
        command = ["setpriv", "--reuid=65534", "--clear-groups", "/usr/bin/python3"]
    completed = subprocess.run(
        [*command, "-m", f"deploy.{script}"],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=TIMEOUT_SECONDS,
        check=False,
    )
    assert completed.returncode == 2
    assert re.fullmatch(rf"deploy.{script}: root is required: .+\n", completed.stderr)
