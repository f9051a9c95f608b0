"""The rack of namespaces: real leases, pings, SSH and exporters, and the faults that networks have.

All that is asserted is what the master sees.
"""

import time
from collections.abc import Iterator

import pytest

from dhcp_installer.dhcpd import log_events
from dhcp_installer.dhcpd.log_events import DhcpLogEvent, DhcpMessageType
from tests.helpers.waiting import TIMEOUT_SECONDS, wait_until
from tests.virtual_rack.namespace_rack_process import NamespaceRackProcess, running_namespace_rack

MACS = {f"0{stack}-{slot}": f"b8:27:eb:23:0{stack}:0{slot}" for stack in (1, 2) for slot in (1, 2)}


@pytest.fixture(scope="module")
def whole_rack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NamespaceRackProcess]:
    """A rack as after an install; its seed gives it all kinds of DHCP clients."""
    folder = tmp_path_factory.mktemp("namespaces")
    with running_namespace_rack(
        folder, "--boot-time", "0", "--seed", "12", stacks=3, slots=2
    ) as room:
        room.wait_until_all_answer()
        yield room


@pytest.fixture
def rack(whole_rack: NamespaceRackProcess) -> Iterator[NamespaceRackProcess]:
    """The rack, which is sound before each test."""
    yield whole_rack
    whole_rack.clear_faults("all")
    for stack in (1, 2, 3):
        whole_rack.switch_stack(stack, "on")
    whole_rack.wait_until_all_answer()


def log_events_of(rack: NamespaceRackProcess, mac: str, since: int = 0) -> list[DhcpLogEvent]:
    """What dhcpd's log tells of a rasp, from the character `since` on."""
    lines = rack.dhcpd_log[since:].splitlines()
    return [
        each for line in lines if (each := log_events.parse_line(line, 0.0)) and each.mac == mac
    ]


def test_every_rasp_gets_its_own_address_and_answers_in_every_way(
    rack: NamespaceRackProcess,
) -> None:
    for slot in rack.layout.slots:
        mac = f"b8:27:eb:23:{slot.stack:02x}:{slot.number:02x}"
        gave = [
            each.address
            for each in log_events_of(rack, mac)
            if each.message_type is DhcpMessageType.ACK
        ]
        assert set(gave) == {slot.address}
    assert rack.answering_rasps == ["01-1", "01-2", "02-1", "02-2", "03-1", "03-2"]


def test_the_clients_are_of_all_kinds(rack: NamespaceRackProcess) -> None:
    consoles = {name: rack.console_log(name) for name in rack.phases}
    assert "udhcpc: lease of 10.23.1.2" in consoles["01-2"]
    assert "dhcpcd" in consoles["03-2"]
    assert (
        "10.23.1.1"
        in (rack.state_folder / "rasps" / "01-1" / "var/lib/dhclient.leases").read_text()
    )


def test_the_exporter_tells_of_the_simulated_board(rack: NamespaceRackProcess) -> None:
    text = rack.scrape("10.23.2.1")
    assert "\npirack_up 1.0\n" in text
    assert "\npirack_disk_size_bytes 3.13344e+010\n".replace("+0", "+") in text


def test_an_action_is_run_by_ssh_and_nothing_else_is(rack: NamespaceRackProcess) -> None:
    done = rack.ssh("02-1", "uptime")
    assert (done.returncode, "load average" in done.stdout) == (0, True)
    done = rack.ssh("02-1", "uptime; id")
    assert done.returncode == 126
    assert "not the name of an action" in done.stderr


def test_a_rasp_that_is_told_to_reboot_boots_anew(rack: NamespaceRackProcess) -> None:
    before = len(log_events_of(rack, MACS["02-1"]))
    assert rack.ssh("02-1", "reboot").returncode == 0
    wait_until(lambda: len(log_events_of(rack, MACS["02-1"])) > before)
    rack.wait_until_answers("02-1")


def test_a_rasp_that_is_shut_down_stays_so_until_its_power_was_off(
    rack: NamespaceRackProcess,
) -> None:
    assert rack.ssh("02-1", "shutdown").returncode == 0
    wait_until(lambda: not rack.answers_ping("10.23.2.1"))
    assert rack.phases["02-1"] == "halted"
    assert rack.answers("02-2")
    rack.switch_stack(2, "off")
    rack.switch_stack(2, "on")
    rack.wait_until_answers("02-1")


def test_a_stack_without_power_is_silent_at_once_and_the_others_are_not(
    rack: NamespaceRackProcess,
) -> None:
    rack.switch_stack(2, "off")
    assert rack.answering_rasps == ["01-1", "01-2", "03-1", "03-2"]
    assert not rack.answers_ping("10.23.2.1")
    rack.switch_stack(2, "on")
    rack.wait_until_all_answer()


def test_a_dead_rasp_gives_no_sign_of_life_until_it_is_healed(rack: NamespaceRackProcess) -> None:
    rack.inject_fault("1/2", "dead")
    wait_until(lambda: not rack.answers_ping("10.23.1.2"))
    rack.switch_stack(1, "off")
    rack.switch_stack(1, "on")
    rack.wait_until_answers("01-1")
    assert not rack.answers_ping("10.23.1.2")
    rack.clear_faults("1/2")
    rack.wait_until_answers("01-2")


def test_a_hung_exporter_accepts_and_never_answers(rack: NamespaceRackProcess) -> None:
    rack.inject_fault("1/2", "hang")
    wait_until(lambda: not rack.scrape("10.23.1.2"))
    assert rack.answers_ping("10.23.1.2")
    assert rack.answers_ssh("10.23.1.2")


def test_a_rasp_that_reboots_by_itself_asks_for_an_address_again(
    rack: NamespaceRackProcess,
) -> None:
    before = len(log_events_of(rack, MACS["01-2"]))
    rack.inject_fault("1/2", "reboot-once")
    wait_until(lambda: len(log_events_of(rack, MACS["01-2"])) > before)
    rack.wait_until_answers("01-2")


def test_a_stuck_relay_keeps_its_stack_as_it_is(rack: NamespaceRackProcess) -> None:
    rack.inject_fault("3", "stuck-relay")
    rack.switch_stack(3, "off")
    assert rack.answers("03-1")
    rack.clear_faults("3")
    assert not rack.answers_ping("10.23.3.1")


def test_a_weak_supply_shows_in_the_metrics(rack: NamespaceRackProcess) -> None:
    rack.inject_fault("1/2", "undervoltage")
    under = 'pirack_power_condition{condition="under_voltage",since="now"} 1.0'
    wait_until(lambda: under in rack.scrape("10.23.1.2"))


def test_a_foreign_lease_is_refused_and_then_forgotten(rack: NamespaceRackProcess) -> None:
    rack.inject_fault("1/2", "foreign-lease")
    since = len(rack.dhcpd_log)
    rack.switch_stack(1, "off")
    rack.switch_stack(1, "on")
    rack.wait_until_answers("01-2")
    kinds = [each.message_type for each in log_events_of(rack, MACS["01-2"], since)]
    assert (
        f"DHCPREQUEST for 192.168.178.37 from {MACS['01-2']} via br0: wrong network."
        in rack.dhcpd_log[since:]
    )
    assert kinds.index(DhcpMessageType.NAK) < kinds.index(DhcpMessageType.ACK)


def test_an_exporter_can_be_started_anew(rack: NamespaceRackProcess) -> None:
    assert rack.ssh("01-2", "restart_exporter").returncode == 0
    wait_until(lambda: rack.answers("01-2"))


def test_a_led_blinks_while_a_rasp_is_to_be_found(rack: NamespaceRackProcess) -> None:
    led = rack.state_folder / "rasps" / "02-2" / "sys/class/leds/ACT/trigger"
    with rack.running_on_master(*rack.ssh_command("02-2", "identify")):
        wait_until(lambda: led.read_text() == "timer\n")


def test_an_ssh_server_that_refuses_has_a_closed_port(rack: NamespaceRackProcess) -> None:
    rack.inject_fault("1/2", "ssh-refuses")
    wait_until(lambda: "Connection refused" in rack.ssh("01-2", "uptime").stderr)
    assert rack.answers_ping("10.23.1.2")


@pytest.mark.parametrize("fault", ["ssh-hangs", "wedged"])
def test_an_ssh_server_that_hangs_accepts_and_never_answers(
    rack: NamespaceRackProcess, fault: str
) -> None:
    rack.inject_fault("1/2", fault)
    wait_until(lambda: not rack.answers_ssh("10.23.1.2"))
    assert rack.accepts_connection("10.23.1.2", 22)
    assert rack.answers_ping("10.23.1.2")
    assert bool(rack.scrape("10.23.1.2")) == (fault == "ssh-hangs")


def test_a_new_host_key_is_not_believed_and_the_old_one_is_again(
    rack: NamespaceRackProcess,
) -> None:
    assert rack.ssh("01-2", "failed_units").returncode == 0
    rack.inject_fault("1/2", "new-host-key")
    wait_until(lambda: "HOST IDENTIFICATION HAS CHANGED" in rack.ssh("01-2", "failed_units").stderr)
    rack.clear_faults("1/2")
    wait_until(lambda: rack.ssh("01-2", "failed_units").returncode == 0)


def test_a_slow_ssh_server_takes_its_time(rack: NamespaceRackProcess) -> None:
    rack.inject_fault("1/2", "ssh-slow")
    wait_until((rack.state_folder / "rasps" / "01-2" / "ssh-slow").exists)
    began = time.monotonic()
    assert rack.ssh("01-2", "failed_units").returncode == 0
    assert time.monotonic() - began >= 3


@pytest.fixture(scope="module")
def new_rack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NamespaceRackProcess]:
    """A rack as before an install, on a switch that holds links."""
    folder = tmp_path_factory.mktemp("new")
    words = ("--boot-time", "0", "--new", "--link-time", "2")
    with running_namespace_rack(folder, *words, stacks=1, slots=3) as room:
        yield room


def leased_addresses(rack: NamespaceRackProcess, since: int = 0) -> dict[str, str]:
    """The address that each MAC was given last."""
    lines = rack.dhcpd_log[since:].splitlines()
    seen = [each for line in lines if (each := log_events.parse_line(line, 0.0))]
    return {
        each.mac: str(each.address) for each in seen if each.message_type is DhcpMessageType.ACK
    }


def test_before_an_install_rasps_have_addresses_of_the_pool(new_rack: NamespaceRackProcess) -> None:
    wait_until(lambda: len(leased_addresses(new_rack)) == 3)
    for address in leased_addresses(new_rack).values():
        assert address.startswith("10.23.255.")
        wait_until(lambda address=address: new_rack.answers_ping(address))  # type: ignore[misc]


def test_a_switch_may_hold_a_link(new_rack: NamespaceRackProcess) -> None:
    wait_until(lambda: len(leased_addresses(new_rack)) == 3)
    new_rack.switch_stack(1, "off")
    since = len(new_rack.dhcpd_log)
    began = time.monotonic()
    new_rack.switch_stack(1, "on")
    wait_until(lambda: new_rack.dhcpd_log[since:])
    assert time.monotonic() - began >= 2
    wait_until(lambda: len(leased_addresses(new_rack, since)) == 3)


def test_a_hostile_host_name_reaches_the_log_and_no_other_mac(
    new_rack: NamespaceRackProcess,
) -> None:
    wait_until(lambda: len(leased_addresses(new_rack)) == 3)
    new_rack.inject_fault("all", "hostile-hostname")
    new_rack.switch_stack(1, "off")
    since = len(new_rack.dhcpd_log)
    new_rack.switch_stack(1, "on")
    wait_until(lambda: len(leased_addresses(new_rack, since)) == 3)
    log = new_rack.dhcpd_log[since:]
    assert "DHCPDISCOVER from b8:27:eb:de:ad:01 via br0 (y" in log
    assert set(leased_addresses(new_rack, since)) == {
        f"b8:27:eb:23:01:0{slot}" for slot in (1, 2, 3)
    }


def test_dhcpd_is_started_anew_as_on_a_real_master(new_rack: NamespaceRackProcess) -> None:
    before = new_rack.dhcpd_log.count("Server starting service")
    restart = ["systemctl", "restart", "isc-dhcp-server"]
    assert new_rack.run_on_master(restart).returncode == 0
    assert new_rack.dhcpd_log.count("Server starting service") == before + 1
    assert (
        new_rack.run_on_master(["systemctl", "is-active", "--quiet", restart[-1]]).returncode == 0
    )


def test_a_dhcpd_that_cannot_start_says_so(new_rack: NamespaceRackProcess) -> None:
    conf = new_rack.state_folder / "dhcpd" / "dhcpd.conf"
    before = conf.read_text()
    restart = ["systemctl", "restart", "isc-dhcp-server"]
    conf.write_text("no configuration")
    assert new_rack.run_on_master(restart).returncode == 1
    assert (
        new_rack.run_on_master(["systemctl", "is-active", "--quiet", restart[-1]]).returncode == 1
    )
    conf.write_text(before)
    assert new_rack.run_on_master(restart).returncode == 0


def test_a_command_on_the_master_ends_as_it_would_here(new_rack: NamespaceRackProcess) -> None:
    assert new_rack.run_on_master(["sh", "-c", "exit 7"]).returncode == 7
    with new_rack.running_on_master(
        "sh", "-c", "trap 'exit 8' TERM; echo ready; while :; do :; done"
    ) as it:
        assert it.stdout is not None
        assert it.stdout.readline() == "ready\n"
        it.terminate()
        assert it.wait(TIMEOUT_SECONDS) == 8
