"""Namespace rack with real DHCP, ping, SSH and exporters, and with faults.

All assertions use observations from the master.
"""

import time
from collections.abc import Iterator

import pytest

from dhcp_installer.dhcpd import log_events
from dhcp_installer.dhcpd.log_events import DhcpLogEvent, DhcpMessageType
from tests.helpers.waiting import TIMEOUT_SECONDS, wait_until
from tests.virtual_rack.namespace_rack_process import NamespaceRackProcess, running_namespace_rack

pytestmark = pytest.mark.process

MACS = {f"0{stack}-{slot}": f"b8:27:eb:23:0{stack}:0{slot}" for stack in (1, 2) for slot in (1, 2)}


@pytest.fixture(scope="module")
def whole_rack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NamespaceRackProcess]:
    """A rack after an install. With this seed, the rack has all kinds of DHCP clients."""
    folder = tmp_path_factory.mktemp("namespaces")
    with running_namespace_rack(
        folder, "--boot-time", "0", "--seed", "12", stacks=3, slots=2
    ) as rack:
        rack.wait_until_all_answer()
        yield rack


@pytest.fixture
def rack(whole_rack: NamespaceRackProcess) -> Iterator[NamespaceRackProcess]:
    """The rack without faults and with all stacks switched on."""
    yield whole_rack
    whole_rack.clear_faults("all")
    for stack in (1, 2, 3):
        whole_rack.switch_stack(stack, "on")
    whole_rack.wait_until_all_answer()


def log_events_of(rack: NamespaceRackProcess, mac: str, since: int = 0) -> list[DhcpLogEvent]:
    """Return the DHCP log events of a MAC address, from character `since` on."""
    lines = rack.dhcpd_log[since:].splitlines()
    return [
        event for line in lines if (event := log_events.parse_line(line, 0.0)) and event.mac == mac
    ]


def test_every_rasp_gets_its_address_and_responds(
    rack: NamespaceRackProcess,
) -> None:
    for slot in rack.layout.slots:
        mac = f"b8:27:eb:23:{slot.stack:02x}:{slot.number:02x}"
        leased = {
            event.address
            for event in log_events_of(rack, mac)
            if event.message_type is DhcpMessageType.ACK
        }
        assert leased == {slot.address}
    wait_until(lambda: rack.answering_rasps == ["01-1", "01-2", "02-1", "02-2", "03-1", "03-2"])


def test_rack_has_all_kinds_of_dhcp_clients(rack: NamespaceRackProcess) -> None:
    consoles = {name: rack.console_log(name) for name in rack.phases}
    assert "udhcpc: lease of 10.23.1.2" in consoles["01-2"]
    assert "dhcpcd" in consoles["03-2"]
    assert "10.23.1.1" in (rack.state_folder / "rasps" / "01-1" / "dhclient.leases").read_text()


def test_exporter_reads_the_simulated_board(rack: NamespaceRackProcess) -> None:
    rack.wait_until_answers("02-1")
    text = rack.scrape("10.23.2.1", timeout=TIMEOUT_SECONDS)
    assert "\npirack_up 1.0\n" in text
    assert "\npirack_disk_size_bytes 3.13344e+010\n".replace("+0", "+") in text


def test_ssh_runs_actions_only(rack: NamespaceRackProcess) -> None:
    result = rack.ssh("02-1", "uptime")
    assert (result.returncode, "load average" in result.stdout) == (0, True)
    result = rack.ssh("02-1", "uptime; id")
    assert result.returncode == 126
    assert "not a valid action name" in result.stderr


def test_reboot_action_reboots_the_rasp(rack: NamespaceRackProcess) -> None:
    count = len(log_events_of(rack, MACS["02-1"]))
    assert rack.ssh("02-1", "reboot").returncode == 0
    wait_until(lambda: len(log_events_of(rack, MACS["02-1"])) > count)
    rack.wait_until_answers("02-1")


def test_halted_rasp_boots_only_after_a_power_cycle(
    rack: NamespaceRackProcess,
) -> None:
    assert rack.ssh("02-1", "shutdown").returncode == 0
    wait_until(lambda: not rack.answers_ping("10.23.2.1"))
    assert rack.phases["02-1"] == "halted"
    rack.wait_until_answers("02-2")
    rack.switch_stack(2, "off")
    rack.switch_stack(2, "on")
    rack.wait_until_answers("02-1")


def test_rasps_without_power_stop_responding_immediately(
    rack: NamespaceRackProcess,
) -> None:
    rack.switch_stack(2, "off")
    assert not any(rack.answers_ping(f"10.23.2.{slot}") for slot in (1, 2))
    wait_until(lambda: rack.answering_rasps == ["01-1", "01-2", "03-1", "03-2"])
    rack.switch_stack(2, "on")
    rack.wait_until_all_answer()


def test_dead_rasp_does_not_respond_until_the_fault_is_cleared(
    rack: NamespaceRackProcess,
) -> None:
    rack.inject_fault("1/2", "dead")
    wait_until(lambda: not rack.answers_ping("10.23.1.2"))
    rack.switch_stack(1, "off")
    rack.switch_stack(1, "on")
    rack.wait_until_answers("01-1")
    assert not rack.answers_ping("10.23.1.2")
    rack.clear_faults("1/2")
    rack.wait_until_answers("01-2")


def test_hanging_exporter_does_not_respond(rack: NamespaceRackProcess) -> None:
    rack.inject_fault("1/2", "hang")
    wait_until(lambda: not rack.scrape("10.23.1.2"))
    wait_until(lambda: rack.answers_ping("10.23.1.2"))
    wait_until(lambda: rack.answers_ssh("10.23.1.2"))


def test_rasp_with_reboot_once_requests_its_address_again(
    rack: NamespaceRackProcess,
) -> None:
    count = len(log_events_of(rack, MACS["01-2"]))
    rack.inject_fault("1/2", "reboot-once")
    wait_until(lambda: len(log_events_of(rack, MACS["01-2"])) > count)
    rack.wait_until_answers("01-2")


def test_stuck_relay_does_not_switch_its_stack(rack: NamespaceRackProcess) -> None:
    rack.inject_fault("3", "stuck-relay")
    rack.switch_stack(3, "off")
    rack.wait_until_answers("03-1")
    rack.clear_faults("3")
    assert not rack.answers_ping("10.23.3.1")


def test_under_voltage_appears_in_the_metrics(rack: NamespaceRackProcess) -> None:
    rack.inject_fault("1/2", "undervoltage")
    under = 'pirack_power_condition{condition="under_voltage",since="now"} 1.0'
    wait_until(lambda: under in rack.scrape("10.23.1.2"))


def test_foreign_lease_is_rejected_and_replaced(rack: NamespaceRackProcess) -> None:
    rack.inject_fault("1/2", "foreign-lease")
    since = len(rack.dhcpd_log)
    rack.switch_stack(1, "off")
    rack.switch_stack(1, "on")
    rack.wait_until_answers("01-2")
    types = [event.message_type for event in log_events_of(rack, MACS["01-2"], since)]
    assert (
        f"DHCPREQUEST for 192.168.178.37 from {MACS['01-2']} via br0: wrong network."
        in rack.dhcpd_log[since:]
    )
    assert types.index(DhcpMessageType.NAK) < types.index(DhcpMessageType.ACK)


def test_restart_exporter_action_restarts_the_exporter(rack: NamespaceRackProcess) -> None:
    assert rack.ssh("01-2", "restart_exporter").returncode == 0
    rack.wait_until_answers("01-2")


def test_identify_action_makes_the_led_blink(rack: NamespaceRackProcess) -> None:
    led = rack.state_folder / "rasps" / "02-2" / "sys/class/leds/ACT/trigger"
    with rack.running_on_master(*rack.ssh_command("02-2", "identify")):
        wait_until(lambda: led.read_text() == "timer\n")


def test_fault_ssh_refuses_closes_the_ssh_port(rack: NamespaceRackProcess) -> None:
    rack.inject_fault("1/2", "ssh-refuses")
    wait_until(lambda: "Connection refused" in rack.ssh("01-2", "uptime").stderr)
    wait_until(lambda: rack.answers_ping("10.23.1.2"))


@pytest.mark.parametrize("fault", ["ssh-hangs", "wedged"])
def test_hanging_ssh_server_does_not_respond(rack: NamespaceRackProcess, fault: str) -> None:
    rack.inject_fault("1/2", fault)
    wait_until(lambda: not rack.answers_ssh("10.23.1.2"))
    wait_until(lambda: rack.accepts_connection("10.23.1.2", 22))
    wait_until(lambda: rack.answers_ping("10.23.1.2"))
    wait_until(lambda: bool(rack.scrape("10.23.1.2")) == (fault == "ssh-hangs"))


def test_new_host_key_is_rejected_until_the_fault_is_cleared(
    rack: NamespaceRackProcess,
) -> None:
    assert rack.ssh("01-2", "failed_units").returncode == 0
    rack.inject_fault("1/2", "new-host-key")
    wait_until(lambda: "HOST IDENTIFICATION HAS CHANGED" in rack.ssh("01-2", "failed_units").stderr)
    rack.clear_faults("1/2")
    wait_until(lambda: rack.ssh("01-2", "failed_units").returncode == 0)


def test_slow_ssh_server_delays_actions(rack: NamespaceRackProcess) -> None:
    rack.inject_fault("1/2", "ssh-slow")
    wait_until((rack.state_folder / "rasps" / "01-2" / "ssh-slow").exists)
    started = time.monotonic()
    assert rack.ssh("01-2", "failed_units").returncode == 0
    assert time.monotonic() - started >= 3


def test_hostile_rasp_sends_a_banner_and_runs_no_action(rack: NamespaceRackProcess) -> None:
    rack.inject_fault("1/2", "hostile")
    wait_until((rack.state_folder / "rasps" / "01-2" / "hostile").exists)
    result = rack.ssh("01-2", "uptime")
    assert "<script>" in result.stdout
    assert "<script>" in result.stderr  # the banner
    assert "load average" not in result.stdout
    wait_until(lambda: "flood" in rack.scrape("10.23.1.2"))


@pytest.fixture(scope="module")
def new_rack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NamespaceRackProcess]:
    """A rack before an install, with a switch that delays new links."""
    folder = tmp_path_factory.mktemp("new")
    arguments = ("--boot-time", "0", "--new", "--link-time", "2")
    with running_namespace_rack(folder, *arguments, stacks=1, slots=3) as rack:
        yield rack


def leased_addresses(rack: NamespaceRackProcess, since: int = 0) -> dict[str, str]:
    """Return the last leased address of each MAC address."""
    lines = rack.dhcpd_log[since:].splitlines()
    events = [event for line in lines if (event := log_events.parse_line(line, 0.0))]
    return {
        event.mac: str(event.address)
        for event in events
        if event.message_type is DhcpMessageType.ACK
    }


def test_rasps_have_pool_addresses_before_an_install(new_rack: NamespaceRackProcess) -> None:
    wait_until(lambda: len(leased_addresses(new_rack)) == 3)
    for address in leased_addresses(new_rack).values():
        assert address.startswith("10.23.255.")
        wait_until(lambda address=address: new_rack.answers_ping(address))  # type: ignore[misc]


def test_switch_delays_new_links(new_rack: NamespaceRackProcess) -> None:
    wait_until(lambda: len(leased_addresses(new_rack)) == 3)
    new_rack.switch_stack(1, "off")
    since = len(new_rack.dhcpd_log)
    started = time.monotonic()
    new_rack.switch_stack(1, "on")
    wait_until(lambda: new_rack.dhcpd_log[since:])
    assert time.monotonic() - started >= 2
    wait_until(lambda: len(leased_addresses(new_rack, since)) == 3)


def test_hostile_host_name_is_logged_without_a_fake_mac_address(
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


def test_systemctl_restarts_dhcpd(new_rack: NamespaceRackProcess) -> None:
    starts = new_rack.dhcpd_log.count("Server starting service")
    restart = ["systemctl", "restart", "isc-dhcp-server"]
    assert new_rack.run_on_master(restart).returncode == 0
    assert new_rack.dhcpd_log.count("Server starting service") == starts + 1
    assert (
        new_rack.run_on_master(["systemctl", "is-active", "--quiet", restart[-1]]).returncode == 0
    )


def test_systemctl_fails_if_dhcpd_cannot_start(new_rack: NamespaceRackProcess) -> None:
    conf = new_rack.state_folder / "dhcpd" / "dhcpd.conf"
    original = conf.read_text()
    restart = ["systemctl", "restart", "isc-dhcp-server"]
    conf.write_text("no configuration")
    assert new_rack.run_on_master(restart).returncode == 1
    assert (
        new_rack.run_on_master(["systemctl", "is-active", "--quiet", restart[-1]]).returncode == 1
    )
    conf.write_text(original)
    assert new_rack.run_on_master(restart).returncode == 0


def test_enter_returns_the_exit_status_and_forwards_signals(new_rack: NamespaceRackProcess) -> None:
    assert new_rack.run_on_master(["sh", "-c", "exit 7"]).returncode == 7
    with new_rack.running_on_master(
        "sh", "-c", "trap 'exit 8' TERM; echo ready; while :; do :; done"
    ) as command:
        assert command.stdout is not None
        assert command.stdout.readline() == "ready\n"
        command.terminate()
        assert command.wait(TIMEOUT_SECONDS) == 8
