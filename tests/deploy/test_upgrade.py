"""An upgrade to a newer checkout, and the documented rollback, while systemd runs the services."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deploy.documented import code_block
from tests.deploy.master_machine import MasterMachine, installed_master

pytestmark = [pytest.mark.process, pytest.mark.verify]

OPERATIONS = Path("docs/how-to/operations.md")
SERVICES = (
    "prometheus",
    "prometheus-alertmanager",
    "prometheus-blackbox-exporter",
    "pirack-controller",
)


@pytest.fixture(scope="module")
def master(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MasterMachine]:
    with installed_master(tmp_path_factory.mktemp("machine")) as machine:
        machine.simulate_relays()
        machine.configure_rack()
        assert machine.install().returncode == 0
        machine.wait_for_controller()
        yield machine


def current_release(master: MasterMachine) -> str:
    return Path(master.output_of("readlink", "/opt/pirack/current").strip()).name


def assert_services_run(master: MasterMachine, release: str) -> None:
    """Check that all services run, and that the controller runs from a release."""
    master.wait_until_active(*SERVICES)
    master.wait_for_controller()
    pid = master.main_pid("pirack-controller")
    assert f"/opt/pirack/releases/{release}/" in master.output_of("cat", f"/proc/{pid}/maps")


def test_upgrade_and_rollback_change_release_and_database_and_move_no_relay(
    master: MasterMachine,
) -> None:
    previous = current_release(master)
    assert_services_run(master, previous)
    pins, holder = master.pin_changes(), master.main_pid("pirack-relays")
    assert len(pins) == 12  # the controller has claimed all relays
    [backup] = code_block(OPERATIONS, "Backup", "pirack-controller backup")
    master.output_of(*backup.split()[1:], folder="/root")
    modified = master.path("/etc/pirack/prometheus/prometheus.yml")
    modified.write_text(modified.read_text() + "# local\n")
    master.copy_checkout("/root/newer")
    for name in ("prometheus/prometheus.yml", "prometheus/rules/rasp_state.yml"):
        file = master.path(f"/root/newer/{name}")
        file.write_text(file.read_text() + "# newer\n")
    completed = master.install("/root/newer")
    assert completed.returncode == 0, completed.stderr
    assert "Kept /etc/pirack/prometheus/prometheus.yml because of local changes" in completed.stderr
    assert modified.read_text().endswith("# local\n")
    assert modified.with_name("prometheus.yml.new").read_text().endswith("# newer\n")
    rules = master.output_of("cat", "/etc/pirack/prometheus/rules/rasp_state.yml")
    assert rules.endswith("# newer\n")
    upgraded = current_release(master)
    assert upgraded != previous
    assert master.output_of("ls", "/opt/pirack/releases").split() == sorted((previous, upgraded))
    assert_services_run(master, upgraded)
    master.output_of("pirack-controller", "user", "add", "late", "--role", "viewer", "--generate")
    for command in code_block(OPERATIONS, "Upgrade", "ln -sfn"):
        line = re.sub(r"^sudo ", "", command).replace("VERSION", previous)
        master.output_of(*line.split(), folder="/root")
    assert current_release(master) == previous
    assert_services_run(master, previous)
    assert "late" not in master.output_of("pirack-controller", "user", "list")
    rules = master.output_of("cat", "/etc/pirack/prometheus/rules/rasp_state.yml")
    assert not rules.endswith("# newer\n")
    assert (master.pin_changes(), master.main_pid("pirack-relays")) == (pins, holder)
