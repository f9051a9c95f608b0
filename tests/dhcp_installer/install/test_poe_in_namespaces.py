"""Installs of a rack of network namespaces that is powered by a PoE switch with a real snmpd."""

from pathlib import Path

import pytest

from rack.database import Database
from rack.inventory import Inventory
from tests.dhcp_installer.namespace_installs import rewire_ports, run_install
from tests.helpers.poe_layouts import poe_stacks, poe_table
from tests.virtual_rack.namespace_rack_process import running_namespace_rack

pytestmark = [pytest.mark.process, pytest.mark.verify]

SLOTS = 4
INSTALL_SETTINGS = """
[install]
timeout_seconds = 60
stagger_seconds = 0.1
"""


@pytest.mark.parametrize("stacks", [2, 12])
def test_each_rasp_gets_the_slot_of_its_port_and_its_address(tmp_path: Path, stacks: int) -> None:
    """No MAC address is known before the install."""
    with running_namespace_rack(
        tmp_path,
        *("--new", "--boot-time", "1"),
        stacks=poe_stacks(stacks, SLOTS),
        slots=SLOTS,
        extra_tables=INSTALL_SETTINGS + poe_table(tmp_path),
    ) as rack:
        expected_macs = rewire_ports(rack, seed=17)
        done = run_install(rack)
        assert done.result == {"state": "done", "error": ""}  # all reply at their addresses
        rasps = Inventory(Database(rack.state_folder / "pirack.db")).rasps().values()
        assert {rasp.name: rasp.mac for rasp in rasps} == expected_macs
        assert len(done.last_report["slots"]) == stacks * SLOTS
        assert set(rack.phases.values()) == {"up"}
