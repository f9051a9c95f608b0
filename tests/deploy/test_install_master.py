"""A Debian becomes a master, by the real script, packages and package index; systemd is not run."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import requests

from tests.deploy.overlay_machine import ROOT, OverlayMachine, running_machine
from tests.deploy.units import exec_start
from tests.helpers.waiting import free_port, wait_until

UNITS = "/etc/systemd/system/multi-user.target.wants"


@pytest.fixture(scope="module")
def installed_machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OverlayMachine]:
    """A machine on which the script was run once."""
    with running_machine(tmp_path_factory.mktemp("machine")) as machine:
        ended = machine.install()
        last = ended.stderr.strip().splitlines()[-1]
        if ended.returncode == 2 and ("apt-get" in last or "make_venv" in last):
            pytest.skip(f"no packages to be had: {last}")
        assert ended.returncode == 0, ended.stderr
        assert last == "Now describe your rack in /etc/pirack/rack.toml, and run this again"
        yield machine


@pytest.fixture(scope="module")
def master(installed_machine: OverlayMachine) -> OverlayMachine:
    """The same, when its rack is described, too."""
    assert not installed_machine.path(f"{UNITS}/pirack-controller.service").is_symlink()
    layout = installed_machine.path("/etc/pirack/rack.toml")
    layout.write_text(layout.read_text().replace('name = "pirack"', 'name = "room-5"'))
    ended = installed_machine.install()
    assert ended.returncode == 0, ended.stderr
    return installed_machine


def test_all_starts_with_the_machine_once_the_rack_is_described(master: OverlayMachine) -> None:
    started = {file.name for file in master.path(UNITS).iterdir()}
    assert started >= {
        "pirack-controller.service",
        "prometheus.service",
        "prometheus-alertmanager.service",
        "prometheus-blackbox-exporter.service",
    }


def test_a_third_run_changes_nothing(master: OverlayMachine) -> None:
    before = master.list_files()
    assert master.install().returncode == 0
    assert master.list_files() == before


def test_prometheus_and_alertmanager_take_their_files(master: OverlayMachine) -> None:
    folder = "/etc/pirack/prometheus"
    assert "SUCCESS" in master.output_of("promtool", "check", "config", f"{folder}/prometheus.yml")
    master.output_of("amtool", "check-config", f"{folder}/alertmanager.yml")
    master.output_of(
        "prometheus-blackbox-exporter", f"--config.file={folder}/blackbox.yml", "--config.check"
    )
    for file in ("alertmanager.yml", "rules/thresholds.yml", "rules/state.yml"):
        master.output_of("runuser", "-u", "prometheus", "--", "cat", f"{folder}/{file}")
    assert master.path(f"{folder}/alertmanager.yml").stat().st_mode & 0o007 == 0


def test_the_controller_runs_as_its_user_and_people_give_it_commands(
    master: OverlayMachine,
) -> None:
    unit = (ROOT / "deploy" / "master" / "pirack-controller.service").read_text()
    port = free_port()
    command = [word for word in exec_start(unit) if word != "$OPTIONS"]
    command[-1] = f"--listen=127.0.0.1:{port}"
    with master.start("runuser", "-u", "pirack", "--", *command) as controller:
        wait_until(lambda: controller.poll() is not None or is_reachable(port))
        for process in psutil.Process(controller.pid).children(recursive=True):
            process.terminate()
        told, _ = controller.communicate(timeout=30)
    assert "Log in as admin with the password" in told
    words = ["user", "add", "alice", "--role", "viewer", "--generate"]
    assert "not shown again" in master.output_of("pirack-controller", *words)
    assert "alice" in master.output_of("pirack-controller", "user", "list")
    kept = master.output_of("stat", "-c", "%U %a", "/var/lib/pirack/pirack.db")
    assert kept == "pirack 600\n"
    master.output_of(
        "runuser", "-u", "prometheus", "--", "cat", "/etc/pirack/prometheus/targets/rasp.json"
    )
    secret = "/etc/pirack/prometheus/secrets/alerts"
    assert len(master.output_of("runuser", "-u", "prometheus", "--", "cat", secret)) > 20
    assert master.run("runuser", "-u", "nobody", "--", "cat", secret).returncode != 0
    assert master.output_of("pirack", "--version").startswith("pirack ")


def is_reachable(port: int) -> bool:
    try:
        return requests.get(f"http://127.0.0.1:{port}/healthz", timeout=5).ok
    except requests.ConnectionError:
        return False


def test_the_controllers_user_writes_dhcpd_conf_and_nothing_beside_its_folder(
    master: OverlayMachine,
) -> None:
    as_pirack = ("runuser", "-u", "pirack", "--", "sh", "-c")
    master.output_of(*as_pirack, "echo '# hers' >> /etc/dhcp/dhcpd.conf")
    master.output_of(*as_pirack, "cp /etc/dhcp/pirack/dhcpd.conf /etc/dhcp/pirack/new")
    for file in ("/etc/dhcp/other", "/etc/pirack/rack.toml", "/opt/pirack/current/README.md"):
        assert master.run(*as_pirack, f"echo x >> {file}").returncode != 0
    assert "# hers" in master.output_of("cat", "/etc/dhcp/dhcpd.conf")


def test_dashboards_are_those_of_the_racks_own_layout(master: OverlayMachine) -> None:
    assert "room-5" in master.output_of(
        "sh", "-c", "cat /opt/pirack/current/grafana/dashboards/*.json"
    )


def test_what_deploy_brings_to_the_rasps_is_there(master: OverlayMachine) -> None:
    master.output_of("test", "-x", "/opt/pirack/current/dist/pirack-exporter.pyz")
    told = master.output_of("/opt/pirack/current/dist/pirack-exporter.pyz", "--help")
    assert "usage: pirack-exporter" in told


def test_a_layout_that_cannot_be_is_refused_in_one_line(master: OverlayMachine) -> None:
    layout = master.path("/etc/pirack/rack.toml")
    right = layout.read_text()
    layout.write_text(right.replace("pin = 17", "pin = 16"))
    ended = master.install()
    layout.write_text(right)
    assert ended.returncode == 2
    assert ended.stderr.splitlines()[-1].endswith(
        "stacks[2].pin: 16 is the pin of stack 1 too: give each stack a pin of its own"
    )


def test_a_newer_checkout_is_used_whole_and_keeps_what_people_have_changed(
    master: OverlayMachine,
) -> None:
    """Last of all, for it changes the machine."""
    before = master.output_of("readlink", "/opt/pirack/current").strip()
    own = master.path("/etc/pirack/prometheus/prometheus.yml")
    own.write_text(own.read_text() + "# ours\n")
    master.output_of("cp", "-a", "/checkout/.", "/newer")
    for name in ("prometheus/prometheus.yml", "prometheus/rules/state.yml"):
        file = master.path(f"/newer/{name}")
        file.write_text(file.read_text() + "# newer\n")
    ended = master.install("/newer")
    assert ended.returncode == 0, ended.stderr
    assert "/etc/pirack/prometheus/prometheus.yml is yours and was kept" in ended.stderr
    assert own.read_text().endswith("# ours\n")
    assert own.with_name("prometheus.yml.new").read_text().endswith("# newer\n")
    assert master.output_of("cat", "/etc/pirack/prometheus/rules/state.yml").endswith("# newer\n")
    now = master.output_of("readlink", "/opt/pirack/current").strip()
    kept = master.output_of("ls", "/opt/pirack/releases").split()
    assert now != before
    assert kept == sorted(Path(release).name for release in (before, now))


def test_somebody_who_is_not_root_is_told_how(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        words = [sys.executable]
    else:
        words = ["setpriv", "--reuid=65534", "--clear-groups", "/usr/bin/python3"]
    ended = subprocess.run(
        [*words, "-m", "deploy.install_master"],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert ended.returncode == 2
    assert re.fullmatch(r"only root can do this: .+\n", ended.stderr)
