"""The rack of namespaces: real leases, pings, SSH and exporters, and the faults that networks have.

All that is asserted is what the master sees.
"""

import time
from collections.abc import Iterator

import pytest

from dhcp_installer import sightings
from dhcp_installer.sightings import Kind, Sighting
from tests.virtual_rack.room_of_namespaces import Room, a_room
from tests.waiting import SECONDS, until

MACS = {f"0{stack}-{slot}": f"b8:27:eb:23:0{stack}:0{slot}" for stack in (1, 2) for slot in (1, 2)}


@pytest.fixture(scope="module")
def whole_rack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Room]:
    """A rack as after an install; its seed gives it all kinds of DHCP clients."""
    folder = tmp_path_factory.mktemp("namespaces")
    with a_room(folder, "--boot-time", "0", "--seed", "12", stacks=3, slots=2) as room:
        room.until_all_answer()
        yield room


@pytest.fixture
def room(whole_rack: Room) -> Iterator[Room]:
    """The rack, which is sound before each test."""
    yield whole_rack
    whole_rack.heal("all")
    for stack in (1, 2, 3):
        whole_rack.power(stack, "on")
    whole_rack.until_all_answer()


def seen_by(room: Room, mac: str, since: int = 0) -> list[Sighting]:
    """What dhcpd's log tells of a rasp, from the character `since` on."""
    lines = room.dhcpd_log[since:].splitlines()
    return [each for line in lines if (each := sightings.parse(line, 0.0)) and each.mac == mac]


def test_every_rasp_gets_its_own_address_and_answers_in_every_way(room: Room) -> None:
    for slot in room.layout.slots:
        mac = f"b8:27:eb:23:{slot.stack:02x}:{slot.number:02x}"
        gave = [each.address for each in seen_by(room, mac) if each.kind is Kind.ACK]
        assert set(gave) == {slot.address}
    assert room.answering == ["01-1", "01-2", "02-1", "02-2", "03-1", "03-2"]


def test_the_clients_are_of_all_kinds(room: Room) -> None:
    consoles = {name: room.console(name) for name in room.phases}
    assert "udhcpc: lease of 10.23.1.2" in consoles["01-2"]
    assert "dhcpcd" in consoles["03-2"]
    assert "10.23.1.1" in (room.state / "rasps" / "01-1" / "var/lib/dhclient.leases").read_text()


def test_the_exporter_tells_of_the_simulated_board(room: Room) -> None:
    text = room.scrape("10.23.2.1")
    assert "\npirack_up 1.0\n" in text
    assert "\npirack_disk_size_bytes 3.13344e+010\n".replace("+0", "+") in text


def test_an_action_is_run_by_ssh_and_nothing_else_is(room: Room) -> None:
    done = room.ssh("02-1", "uptime")
    assert (done.returncode, "load average" in done.stdout) == (0, True)
    done = room.ssh("02-1", "uptime; id")
    assert done.returncode == 126
    assert "not the name of an action" in done.stderr


def test_a_rasp_that_is_told_to_reboot_boots_anew(room: Room) -> None:
    before = len(seen_by(room, MACS["02-1"]))
    assert room.ssh("02-1", "reboot").returncode == 0
    until(lambda: len(seen_by(room, MACS["02-1"])) > before)
    room.until_it_answers("02-1")


def test_a_rasp_that_is_shut_down_stays_so_until_its_power_was_off(room: Room) -> None:
    assert room.ssh("02-1", "shutdown").returncode == 0
    until(lambda: not room.pings("10.23.2.1"))
    assert room.phases["02-1"] == "halted"
    assert room.answers("02-2")
    room.power(2, "off")
    room.power(2, "on")
    room.until_it_answers("02-1")


def test_a_stack_without_power_is_silent_at_once_and_the_others_are_not(room: Room) -> None:
    room.power(2, "off")
    assert room.answering == ["01-1", "01-2", "03-1", "03-2"]
    assert not room.pings("10.23.2.1")
    room.power(2, "on")
    room.until_all_answer()


def test_a_dead_rasp_gives_no_sign_of_life_until_it_is_healed(room: Room) -> None:
    room.put_on("1/2", "dead")
    until(lambda: not room.pings("10.23.1.2"))
    room.power(1, "off")
    room.power(1, "on")
    room.until_it_answers("01-1")
    assert not room.pings("10.23.1.2")
    room.heal("1/2")
    room.until_it_answers("01-2")


def test_a_hung_exporter_accepts_and_never_answers(room: Room) -> None:
    room.put_on("1/2", "hang")
    until(lambda: not room.scrape("10.23.1.2"))
    assert room.pings("10.23.1.2")
    assert room.speaks_ssh("10.23.1.2")


def test_a_rasp_that_reboots_by_itself_asks_for_an_address_again(room: Room) -> None:
    before = len(seen_by(room, MACS["01-2"]))
    room.put_on("1/2", "reboot-once")
    until(lambda: len(seen_by(room, MACS["01-2"])) > before)
    room.until_it_answers("01-2")


def test_a_stuck_relay_keeps_its_stack_as_it_is(room: Room) -> None:
    room.put_on("3", "stuck-relay")
    room.power(3, "off")
    assert room.answers("03-1")
    room.heal("3")
    assert not room.pings("10.23.3.1")


def test_a_weak_supply_shows_in_the_metrics(room: Room) -> None:
    room.put_on("1/2", "undervoltage")
    under = 'pirack_power_condition{condition="under_voltage",since="now"} 1.0'
    until(lambda: under in room.scrape("10.23.1.2"))


def test_a_foreign_lease_is_refused_and_then_forgotten(room: Room) -> None:
    room.put_on("1/2", "foreign-lease")
    since = len(room.dhcpd_log)
    room.power(1, "off")
    room.power(1, "on")
    room.until_it_answers("01-2")
    kinds = [each.kind for each in seen_by(room, MACS["01-2"], since)]
    assert (
        f"DHCPREQUEST for 192.168.178.37 from {MACS['01-2']} via br0: wrong network."
        in room.dhcpd_log[since:]
    )
    assert kinds.index(Kind.NAK) < kinds.index(Kind.ACK)


def test_an_exporter_can_be_started_anew(room: Room) -> None:
    assert room.ssh("01-2", "restart_exporter").returncode == 0
    until(lambda: room.answers("01-2"))


def test_a_led_blinks_while_a_rasp_is_to_be_found(room: Room) -> None:
    led = room.state / "rasps" / "02-2" / "sys/class/leds/ACT/trigger"
    with room.entered(*room.ssh_words("02-2", "identify")):
        until(lambda: led.read_text() == "timer\n")


def test_an_ssh_server_that_refuses_has_a_closed_port(room: Room) -> None:
    room.put_on("1/2", "ssh-refuses")
    until(lambda: "Connection refused" in room.ssh("01-2", "uptime").stderr)
    assert room.pings("10.23.1.2")


@pytest.mark.parametrize("fault", ["ssh-hangs", "wedged"])
def test_an_ssh_server_that_hangs_accepts_and_never_answers(room: Room, fault: str) -> None:
    room.put_on("1/2", fault)
    until(lambda: not room.speaks_ssh("10.23.1.2"))
    assert room.connects("10.23.1.2", 22)
    assert room.pings("10.23.1.2")
    assert bool(room.scrape("10.23.1.2")) == (fault == "ssh-hangs")


def test_a_new_host_key_is_not_believed_and_the_old_one_is_again(room: Room) -> None:
    assert room.ssh("01-2", "failed_units").returncode == 0
    room.put_on("1/2", "new-host-key")
    until(lambda: "HOST IDENTIFICATION HAS CHANGED" in room.ssh("01-2", "failed_units").stderr)
    room.heal("1/2")
    until(lambda: room.ssh("01-2", "failed_units").returncode == 0)


def test_a_slow_ssh_server_takes_its_time(room: Room) -> None:
    room.put_on("1/2", "ssh-slow")
    until((room.state / "rasps" / "01-2" / "ssh-slow").exists)
    began = time.monotonic()
    assert room.ssh("01-2", "failed_units").returncode == 0
    assert time.monotonic() - began >= 3


@pytest.fixture(scope="module")
def new_rack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Room]:
    """A rack as before an install, on a switch that holds links."""
    folder = tmp_path_factory.mktemp("new")
    words = ("--boot-time", "0", "--new", "--link-time", "2")
    with a_room(folder, *words, stacks=1, slots=3) as room:
        yield room


def addresses(room: Room, since: int = 0) -> dict[str, str]:
    """The address that each MAC was given last."""
    lines = room.dhcpd_log[since:].splitlines()
    seen = [each for line in lines if (each := sightings.parse(line, 0.0))]
    return {each.mac: str(each.address) for each in seen if each.kind is Kind.ACK}


def test_before_an_install_rasps_have_addresses_of_the_pool(new_rack: Room) -> None:
    until(lambda: len(addresses(new_rack)) == 3)
    for address in addresses(new_rack).values():
        assert address.startswith("10.23.255.")
        until(lambda address=address: new_rack.pings(address))  # type: ignore[misc]


def test_a_switch_may_hold_a_link(new_rack: Room) -> None:
    until(lambda: len(addresses(new_rack)) == 3)
    new_rack.power(1, "off")
    since = len(new_rack.dhcpd_log)
    began = time.monotonic()
    new_rack.power(1, "on")
    until(lambda: new_rack.dhcpd_log[since:])
    assert time.monotonic() - began >= 2
    until(lambda: len(addresses(new_rack, since)) == 3)


def test_a_hostile_host_name_reaches_the_log_and_no_other_mac(new_rack: Room) -> None:
    until(lambda: len(addresses(new_rack)) == 3)
    new_rack.put_on("all", "hostile-hostname")
    new_rack.power(1, "off")
    since = len(new_rack.dhcpd_log)
    new_rack.power(1, "on")
    until(lambda: len(addresses(new_rack, since)) == 3)
    log = new_rack.dhcpd_log[since:]
    assert "DHCPDISCOVER from b8:27:eb:de:ad:01 via br0 (y" in log
    assert set(addresses(new_rack, since)) == {f"b8:27:eb:23:01:0{slot}" for slot in (1, 2, 3)}


def test_dhcpd_is_started_anew_as_on_a_real_master(new_rack: Room) -> None:
    before = new_rack.dhcpd_log.count("Server starting service")
    restart = ["systemctl", "restart", "isc-dhcp-server"]
    assert new_rack.enter(restart).returncode == 0
    assert new_rack.dhcpd_log.count("Server starting service") == before + 1
    assert new_rack.enter(["systemctl", "is-active", "--quiet", restart[-1]]).returncode == 0


def test_a_dhcpd_that_cannot_start_says_so(new_rack: Room) -> None:
    conf = new_rack.state / "dhcpd" / "dhcpd.conf"
    before = conf.read_text()
    restart = ["systemctl", "restart", "isc-dhcp-server"]
    conf.write_text("no configuration")
    assert new_rack.enter(restart).returncode == 1
    assert new_rack.enter(["systemctl", "is-active", "--quiet", restart[-1]]).returncode == 1
    conf.write_text(before)
    assert new_rack.enter(restart).returncode == 0


def test_a_command_on_the_master_ends_as_it_would_here(new_rack: Room) -> None:
    assert new_rack.enter(["sh", "-c", "exit 7"]).returncode == 7
    with new_rack.entered("sh", "-c", "trap 'exit 8' TERM; echo ready; while :; do :; done") as it:
        assert it.stdout is not None
        assert it.stdout.readline() == "ready\n"
        it.terminate()
        assert it.wait(SECONDS) == 8
