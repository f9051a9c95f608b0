"""Exporters and SSH at the new addresses of swapped rasps, which keep running."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from rack.layout import Slot
from tests.controller.orders.test_orders_in_namespaces import NamespaceOrderClient
from tests.helpers.descendants import find_descendants
from tests.helpers.waiting import TIMEOUT_SECONDS, wait_until
from tests.virtual_rack.namespace_rack_process import NamespaceRackProcess, running_namespace_rack
from tools.programs import find
from virtual_rack.rasp import mac_of

pytestmark = [pytest.mark.process, pytest.mark.verify]


@pytest.fixture
def client(tmp_path: Path) -> Iterator[NamespaceOrderClient]:
    """Run an installed rack, in which all rasps use udhcpc, and its controller."""
    with running_namespace_rack(tmp_path, "--boot-time", "0.5", stacks=1, slots=2) as rack:
        rack.switch_stack(1, "off")
        rack.inject_fault("1", "hostile-hostname")  # selects udhcpc
        rack.switch_stack(1, "on")
        client = NamespaceOrderClient(rack)
        dhcpd = rack.state_folder / "dhcpd"
        (tmp_path / "targets").mkdir()
        with rack.running_on_master(
            *(sys.executable, "-m", "controller", "--rack", str(rack.rack_toml)),
            *("--db", str(rack.state_folder / "pirack.db"), "--targets", str(tmp_path / "targets")),
            *("--dhcpd-conf", str(dhcpd / "dhcpd.conf")),
            *("--dhcp-log", f"file:{dhcpd / 'dhcpd.log'}"),
        ):
            wait_until(client.is_up)
            rack.wait_until_all_answer()
            yield client


def signal_dhcp_clients(rack: NamespaceRackProcess, number: signal.Signals) -> None:
    clients = find_descendants(
        psutil.Process(rack.outer_process.pid), lambda process: "udhcpc" in process.name()
    )
    assert len(clients) == len(rack.layout.slots)
    for process in clients:
        process.send_signal(number)


def mac_at(rack: NamespaceRackProcess, slot: Slot) -> str:
    """Return the MAC address that uses the address of a slot, or "" if it is unknown."""
    rack.answers_ping(str(slot.address))
    with rack.in_master_network():
        neighbours = subprocess.run(
            [*find("ip").command, "neighbour", "show", str(slot.address)],
            capture_output=True,
            text=True,
            timeout=TIMEOUT_SECONDS,
            check=True,
        ).stdout
    _, found, rest = neighbours.partition(" lladdr ")
    return rest.split()[0] if found else ""


def test_swapped_rasps_answer_at_their_new_addresses_without_a_reboot(
    client: NamespaceOrderClient,
) -> None:
    rack = client.rack_process
    one, other = rack.layout.slots
    assert client.request("rasps/swap", ids=[one.id, other.id])["state"] == "done"
    signal_dhcp_clients(rack, signal.SIGUSR2)  # release
    wait_until(lambda: not rack.scrape(str(one.address)) and not rack.scrape(str(other.address)))
    signal_dhcp_clients(rack, signal.SIGUSR1)  # request an address
    wait_until(lambda: mac_at(rack, one) == mac_of(other) and mac_at(rack, other) == mac_of(one))
    rack.wait_until_all_answer()  # ping, exporter and SSH
    results = client.run_order("rasps", "uptime", [one.id, other.id])
    assert [result["result"] for result in results.values()] == ["ok", "ok"]
