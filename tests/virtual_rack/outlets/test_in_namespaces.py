"""PoE switch in the network of a namespace rack, with the power driver of PiRack."""

import time
from pathlib import Path

import pytest

from rack.clock import Moment
from rack.power.drivers.snmp import SnmpDriver
from rack.power.drivers.snmp_settings import SnmpSettings
from tests.helpers.waiting import wait_until
from tests.virtual_rack.namespace_rack_process import running_namespace_rack
from tools.programs import find

pytestmark = pytest.mark.process


def now() -> Moment:
    return Moment(time.monotonic(), time.time())


def test_port_of_a_switch_powers_one_rasp_in_its_namespace(tmp_path: Path) -> None:
    find("snmpd")
    community = tmp_path / "community"
    community.write_text("secret\n")
    keys = {"host": "10.23.0.2", "community_file": str(community)}
    table = "[power.poe]\ndriver = 'snmp'\n" + "".join(f"{k} = '{v}'\n" for k, v in keys.items())
    stack = {"outlets": ["poe:1", "poe:2"], "x": 0, "y": 0}
    driver = SnmpDriver("poe", SnmpSettings.model_validate(keys))
    with running_namespace_rack(
        tmp_path, "--boot-time", "0", stacks=[stack], slots=2, extra_tables=table
    ) as rack:
        rack.wait_until_all_answer()
        with rack.in_master_network():
            result = driver.switch({"2": False}, now)["2"]
        assert result.error == ""
        wait_until(lambda: not rack.answers_ping(rack.address("01-2")))
        assert rack.answers_ping(rack.address("01-1"))
        with rack.in_master_network():
            readings = driver.read(["1", "2"])
            driver.switch({"2": True}, now)
        assert [readings[port].power for port in ("1", "2")] == [True, False]
        rack.wait_until_all_answer()
    driver.close()
