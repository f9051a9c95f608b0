"""The relays of a master on an emulated Raspberry Pi, from the trace of its GPIO registers.

The tests of a kernel run in this order on one master, as the life of a master goes on.
"""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deploy.documented import code_block
from tests.emulated import switching_process
from tests.emulated.installed_master import GUIDE, UPSTREAM
from tests.emulated.kernels import KERNELS
from tests.emulated.master_image import master_image
from tests.emulated.master_run import WAIT_FOR_CONTROLLER, MasterRun
from tests.emulated.relay_moves import Power
from tests.emulated.report import report
from tests.emulated.switching_log import KILLED, expected_moves

pytestmark = [pytest.mark.emulated, pytest.mark.process, pytest.mark.timeout(3 * 3600)]

KILLS = 20
PROCESS_KILLS = 50
# Seconds between an order and the kill: before, during and after its execution.
MAX_KILL_SECONDS = 10.0
# Less than the two minutes for which systemd waits for a network. The report contains the measured
# times, which depend on the load of this machine.
MAX_CLAIM_SECONDS = 110.0
KILL_SCRIPT = """
pid=$(systemctl show --property=MainPID --value {unit})
curl --silent --max-time 20 --output /dev/null \\
    --header "Authorization: Bearer $(cat /root/.config/pirack/token)" \\
    --json '{{"ids": [{stack}], "action": "power_{power}", "force": true}}' \\
    http://127.0.0.1:8080/api/v1.0/stacks/execute &
sleep {seconds:.3f}
kill -KILL "$pid"
wait
while [ "$(systemctl show --property=MainPID --value {unit})" -eq 0 ]; do sleep 0.2; done
"""


@pytest.fixture(
    scope="module",
    params=[pytest.param(source, id=source.name) for source in KERNELS],
)
def master(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[MasterRun]:
    folder = tmp_path_factory.mktemp(request.param.name)
    run = MasterRun(request.param, master_image(), folder)
    run.start()
    yield run
    run.cut_power()


def switched_off(master: MasterRun) -> set[int]:
    return {stack for stack, power in master.power().items() if power is Power.OFF}


def test_first_boot_claims_each_relay_once_at_rest(master: MasterRun) -> None:
    since_boot, since_unit = master.measure_claim(master.machine.started_at)
    master.wait_for_controller()
    assert sorted(master.new_moves()) == [(stack.number, Power.ON) for stack in master.rack.stacks]
    report(f"{master.source.name}: first boot: claimed {since_boot:.0f} s after power on")
    report(f"{master.source.name}: first boot: claimed {since_unit:.0f} s after the unit's start")


def test_commands_of_the_guide_log_in(master: MasterRun) -> None:
    _, read_password = code_block(GUIDE, "Describe your rack", "password")
    assert "password" in master.run(read_password)
    create_token, make_folder, save_token, status, info = code_block(
        GUIDE, "Describe your rack", "token"
    )
    assert "cat > ~/.config/pirack/token" in save_token
    token = master.run(create_token).split()[-1]
    master.run(f"{make_folder}\n(umask 077; echo {token} > ~/.config/pirack/token)")
    master.run(f"{status} || [ $? = 1 ]")  # 1 if there are issues
    assert "master" in master.run(info)
    assert master.new_moves() == []


def test_relay_test_of_the_guide_moves_only_the_relay_of_stack_1(master: MasterRun) -> None:
    power_off, power_on, restart, kill = code_block(GUIDE, "Test the relays", "power off 1")
    master.order(power_off, typed="y\n")
    master.order(power_on)
    for end in (restart, kill):
        master.run(f"{end}; sleep 3; {WAIT_FOR_CONTROLLER}")
    assert master.new_moves() == [(1, Power.OFF), (1, Power.ON)]


def test_order_moves_the_relays_of_its_stacks_once(master: MasterRun) -> None:
    master.order("pirack power off 3 5 12 --force --yes")
    assert master.new_moves() == [(3, Power.OFF), (5, Power.OFF), (12, Power.OFF)]
    master.order("pirack power on 12")
    assert master.new_moves() == [(12, Power.ON)]


@pytest.mark.parametrize(
    "command",
    [
        "systemctl restart pirack-controller",
        "systemctl stop pirack-controller; sleep 5; systemctl start pirack-controller",
        "systemctl kill --signal=KILL pirack-controller; sleep 4",
        "systemctl restart pirack-relays",
        "systemctl kill --signal=KILL pirack-relays; sleep 4",
        "systemctl kill --signal=KILL pirack-controller pirack-relays; sleep 4",
    ],
)
def test_end_of_the_controller_or_the_holder_moves_no_relay(
    master: MasterRun, command: str
) -> None:
    assert switched_off(master) == {3, 5}
    master.run(f"{command}\n{WAIT_FOR_CONTROLLER}")
    assert master.new_moves() == []
    assert master.reported_power() == master.power()


def test_kill_during_an_order_moves_no_other_relay_and_none_twice(master: MasterRun) -> None:
    choices = random.Random(16)
    moved = 0
    for number in range(KILLS):
        stack = choices.choice([stack.number for stack in master.rack.stacks])
        previous = master.power()[stack]
        new = choices.choice([Power.ON, Power.OFF])
        seconds = choices.uniform(0, MAX_KILL_SECONDS)
        [unit] = choices.choices(["pirack-controller", "pirack-relays"], weights=[4, 1])
        script = KILL_SCRIPT.format(unit=unit, stack=stack, power=new.value, seconds=seconds)
        master.run(f"{script}\n{WAIT_FOR_CONTROLLER}")
        moves = master.new_moves()
        reason = (
            f"kill {number + 1}, of {unit}, {seconds:.3f} s after the order to switch {stack} {new}"
        )
        assert moves in ([], [(stack, new)] if new is not previous else []), reason
        moved += len(moves)
    assert moved, "no order moved a relay before the kill"
    report(
        f"{master.source.name}: {KILLS} kills during orders: {moved} relays moved, each as ordered"
    )


def test_killed_process_that_switches_relays_moves_each_exactly_as_ordered(
    master: MasterRun,
) -> None:
    """The process uses the relays as the controller does, but starts faster."""
    before = master.power()
    master.copy_to(Path(switching_process.__file__), "/tmp/switching_process.py")
    master.run("systemctl stop pirack-controller")
    master.run(
        "cd /tmp; runuser -u pirack -- /opt/pirack/current/.venv/bin/python"
        f" switching_process.py /tmp/orders.log {PROCESS_KILLS} 16"
    )
    log = master.run("cat /tmp/orders.log")
    moves = master.new_moves()
    assert moves == expected_moves(log, moves, before)
    assert log.count(KILLED) == PROCESS_KILLS
    orders = len(log.splitlines()) - PROCESS_KILLS
    master.run(f"systemctl start pirack-controller\n{WAIT_FOR_CONTROLLER}")
    assert master.new_moves() == []
    report(f"{master.source.name}: {PROCESS_KILLS} kills during {orders} orders of a process:")
    report(f"{master.source.name}: {len(moves)} moves, each as ordered")


def test_orders_after_the_kills_move_exactly_what_differs(master: MasterRun) -> None:
    everything = {stack.number for stack in master.rack.stacks}
    expected = sorted((stack, Power.ON) for stack in switched_off(master))
    master.order("pirack power on all")
    assert sorted(master.new_moves()) == expected
    master.order("pirack power off 3 5 --force --yes")
    assert master.new_moves() == [(3, Power.OFF), (5, Power.OFF)]
    assert set(master.reported_power()) == everything
    assert master.reported_power() == master.power()


def test_stop_of_the_holder_does_what_the_kernel_does_and_the_metric_reports_it(
    master: MasterRun,
) -> None:
    persists = master.source.persists_outputs
    metrics = master.run("curl --silent --fail http://127.0.0.1:8080/metrics")
    assert f"\npirack_gpio_persists_outputs {1.0 if persists else 0.0}\n" in metrics
    everything = {stack.number for stack in master.rack.stacks}
    master.run("systemctl stop pirack-relays; sleep 2")
    assert sorted(master.new_moves()) == (
        [] if persists else [(stack, Power.RELEASED) for stack in sorted(everything)]
    )
    master.run(
        f"systemctl start pirack-relays; systemctl restart pirack-controller\n{WAIT_FOR_CONTROLLER}"
    )
    without_mismatch = everything if persists else everything - {3, 5}
    assert sorted(master.new_moves()) == (
        [] if persists else [(stack, Power.ON) for stack in sorted(everything)]
    )
    assert set(master.reported_power()) == without_mismatch
    master.order("pirack power off 3 5 --force --yes")
    assert switched_off(master) == {3, 5}
    assert set(master.reported_power()) == everything
    master.new_moves()


def test_upgrade_and_roll_back_move_no_relay(master: MasterRun) -> None:
    previous = master.run("readlink /opt/pirack/current").strip()
    master.run("pirack-controller backup /root/pirack-backup.tar.gz")
    master.run(f"git -C {UPSTREAM} merge --quiet newer")
    master.run("cd pirack\ngit pull --quiet\npython3 -m deploy.install_master")
    assert master.run("readlink /opt/pirack/current").strip() != previous
    master.run(WAIT_FOR_CONTROLLER)
    assert master.new_moves() == []
    assert master.reported_power() == master.power()
    master.run(
        "systemctl stop pirack-controller\n"
        "pirack-controller restore /root/pirack-backup.tar.gz\n"
        f"ln -sfn {previous} /opt/pirack/current\n"
        "systemctl restart pirack-controller prometheus\n"
        f"{WAIT_FOR_CONTROLLER}"
    )
    assert master.new_moves() == []
    assert master.reported_power() == master.power()


def test_reboot_claims_each_relay_once_as_commanded(master: MasterRun) -> None:
    expected = dict(master.power())
    master.run("systemctl reboot")
    since_boot, since_unit = master.measure_claim(master.machine.wait_for_reset())
    master.wait_for_controller()
    released = [(stack.number, Power.RELEASED) for stack in master.rack.stacks]
    moves = master.new_moves()
    assert sorted(moves[: len(released)]) == sorted(released)
    assert sorted(moves[len(released) :]) == sorted(expected.items())
    assert master.reported_power() == expected
    report(f"{master.source.name}: reboot: claimed {since_boot:.0f} s after the reset")
    report(f"{master.source.name}: reboot: claimed {since_unit:.0f} s after the unit's start")


@pytest.mark.parametrize("network", [True, False], ids=["with_network", "without_network"])
def test_start_after_a_power_failure_claims_each_relay_once_as_commanded(
    master: MasterRun, network: bool
) -> None:
    expected = dict(master.power())
    master.cut_power()
    master.start(network=network)
    since_boot, since_unit = master.measure_claim(master.machine.started_at)
    if network:
        master.wait_for_controller()
        assert master.reported_power() == expected
    assert dict(master.new_moves()) == expected
    assert master.power() == expected
    name = f"{master.source.name}: power failure, {'with' if network else 'without'} network"
    report(f"{name}: claimed {since_boot:.0f} s after power on")
    report(f"{name}: claimed {since_unit:.0f} s after the unit's start")
    assert since_unit < MAX_CLAIM_SECONDS
