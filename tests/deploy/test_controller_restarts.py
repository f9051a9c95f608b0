"""The installed units of the controller and of the relay holder, on simulated GPIO lines."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from rack.layout_file import load
from tests.deploy.master_machine import MasterMachine, installed_master
from tests.helpers.layouts import pin_of, pins_of
from tests.helpers.waiting import wait_until

pytestmark = [pytest.mark.process, pytest.mark.verify]

RACK = load(Path("rack.toml"))
CONTROLLER, HOLDER = "pirack-controller", "pirack-relays"
STACK_OFF = RACK.stack(3)


@pytest.fixture(scope="module")
def master(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MasterMachine]:
    """Return a master whose kernel releases outputs, with a stack that is off."""
    with installed_master(tmp_path_factory.mktemp("machine")) as machine:
        machine.simulate_relays()
        machine.configure_rack()
        assert machine.install().returncode == 0
        machine.wait_for_controller()
        output = machine.output_of(CONTROLLER, "token", "add", "tester", "--role", "operator")
        token = next(word for word in output.split() if len(word) > 30)
        order = ("pirack", "power", "off", str(STACK_OFF.number), "--force", "--yes")
        machine.run("env", f"PIRACK_TOKEN={token}", *order)  # the result is unknown without rasps
        yield machine


def log_of_controller(master: MasterMachine) -> str:
    return master.output_of("journalctl", "--quiet", "--unit", CONTROLLER, "--output=cat")


def test_each_pin_is_claimed_once_and_an_order_changes_one_pin(master: MasterMachine) -> None:
    claims = {f"{pin} low" for pin in pins_of(RACK)}
    changes = master.pin_changes()
    assert set(changes[:12]) == claims
    assert changes[12:] == [f"{pin_of(STACK_OFF)} high"]


@pytest.mark.parametrize(
    "commands",
    [
        ["systemctl restart pirack-controller"],
        ["systemctl kill --signal=SIGKILL pirack-controller"],
        ["systemctl stop pirack-controller", "systemctl start pirack-controller"],
        ["systemctl kill --signal=SIGKILL pirack-relays"],
        ["systemctl restart pirack-relays", "systemctl restart pirack-controller"],
    ],
)
def test_no_end_of_a_service_moves_a_relay(master: MasterMachine, commands: list[str]) -> None:
    previous = master.pin_changes()
    pids = [master.main_pid(unit) for unit in (CONTROLLER, HOLDER)]
    for command in commands:
        master.output_of(*command.split())
    wait_until(lambda: [master.main_pid(unit) for unit in (CONTROLLER, HOLDER)] != pids)
    master.wait_until_active(CONTROLLER, HOLDER)
    master.wait_for_controller()
    assert master.pin_changes() == previous
    assert "but its relay is" not in log_of_controller(master)


def test_controller_listens_at_an_address_that_the_machine_gets_later(
    master: MasterMachine,
) -> None:
    previous = master.pin_changes()
    address = str(RACK.network.master)
    master.write("/etc/pirack/controller.env", f"LISTEN={address}:8080\n")
    master.output_of("systemctl", "restart", CONTROLLER)
    wait_until(lambda: "does not have the address" in log_of_controller(master))
    assert f"{len(RACK.stacks)} relays are claimed" in log_of_controller(master)
    master.output_of("ip", "address", "add", f"{address}/16", "dev", "lo")
    request = f"import urllib.request as u; u.urlopen('http://{address}:8080/healthz', timeout=10)"
    wait_until(lambda: master.run(master.python, "-c", request).returncode == 0)
    assert master.pin_changes() == previous


def test_installation_names_the_command_for_a_newer_holder(master: MasterMachine) -> None:
    previous = master.pin_changes()
    command = "A newer version of the service pirack-relays is installed. To use it"
    assert command not in master.install().stderr
    source = master.path("/srv/simulation/rack/gpio/holder.py")
    source.write_text(source.read_text() + "# another version\n")
    master.output_of("systemctl", "restart", HOLDER)
    holder = master.main_pid(HOLDER)
    completed = master.install()
    assert command in completed.stderr
    assert "sudo systemctl restart pirack-relays" in completed.stderr
    assert master.main_pid(HOLDER) == holder
    assert master.pin_changes() == previous
