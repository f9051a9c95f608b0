"""Objects of the virtual PoE switch, and snmpd's protocol for them."""

import pytest

from virtual_rack.outlets.device import DeviceOutlets
from virtual_rack.outlets.power_ethernet_mib import (
    CISCO_POWER_ETHERNET_EXT_MIB,
    POWER_ETHERNET_MIB,
    PowerEthernetMib,
    format_oid,
    replies,
)

ADMIN_1, ADMIN_2 = ".1.3.6.1.2.1.105.1.1.1.3.1.1", ".1.3.6.1.2.1.105.1.1.1.3.1.2"


@pytest.fixture
def outlets() -> DeviceOutlets:
    return DeviceOutlets(["1", "2"], lambda *_: None, None)


def reply_to(outlets: DeviceOutlets, *lines: str) -> str:
    return "".join(replies(PowerEthernetMib(outlets), iter(lines)))


def test_switch_replies_to_a_ping(outlets: DeviceOutlets) -> None:
    assert reply_to(outlets, "PING") == "PONG\n"


def test_ports_are_read_one_after_another(outlets: DeviceOutlets) -> None:
    outlets.set("2", power=False)
    assert reply_to(outlets, "get", ADMIN_1) == f"{ADMIN_1}\ninteger\n1\n"
    assert reply_to(outlets, "getnext", ADMIN_1) == f"{ADMIN_2}\ninteger\n2\n"


def test_first_object_follows_the_subtree(outlets: DeviceOutlets) -> None:
    subtree = format_oid(POWER_ETHERNET_MIB)
    assert reply_to(outlets, "getnext", subtree) == f"{ADMIN_1}\ninteger\n1\n"


def test_last_object_of_a_subtree_has_no_next_one(outlets: DeviceOutlets) -> None:
    oid = format_oid(POWER_ETHERNET_MIB)
    while (reply := reply_to(outlets, "getnext", oid)) != "NONE\n":
        oid = reply.partition("\n")[0]
        assert oid.startswith(format_oid(POWER_ETHERNET_MIB))
    assert oid == ".1.3.6.1.2.1.105.1.3.1.1.4.1"  # pethMainPseConsumptionPower
    assert reply_to(outlets, "getnext", format_oid(CISCO_POWER_ETHERNET_EXT_MIB)) != "NONE\n"


def test_missing_object_is_reported(outlets: DeviceOutlets) -> None:
    assert reply_to(outlets, "get", ".1.3.6.1.2.1.105.1.1.1.3.1.3") == "NONE\n"
    assert reply_to(outlets, "get", format_oid(POWER_ETHERNET_MIB)) == "NONE\n"


def test_port_is_switched(outlets: DeviceOutlets) -> None:
    assert reply_to(outlets, "set", ADMIN_2, "integer 2") == "DONE\n"
    assert [outlets.is_on(port) for port in ("1", "2")] == [True, False]
    assert outlets.switch_count("2") == 1


def test_empty_line_after_a_request_is_ignored(outlets: DeviceOutlets) -> None:
    reply = reply_to(outlets, "set", ADMIN_2, "integer 2", "", "get", ADMIN_2)
    assert reply == f"DONE\n{ADMIN_2}\ninteger\n2\n"


def test_incomplete_request_changes_nothing(outlets: DeviceOutlets) -> None:
    assert reply_to(outlets, "set", ADMIN_2) == ""
    assert outlets.is_on("2")


@pytest.mark.parametrize(
    ("is_on", "watts", "status"), [(True, 3.0, 3), (True, 0.0, 2), (False, 0.0, 1), (False, 3.0, 3)]
)
def test_detection_status_follows_power_and_consumption(
    *, is_on: bool, watts: float, status: int
) -> None:
    outlets = DeviceOutlets(["1"], lambda *_: None, lambda _: watts)
    outlets.set("1", power=is_on)
    oid = ".1.3.6.1.2.1.105.1.1.1.6.1.1"
    assert reply_to(outlets, "get", oid) == f"{oid}\ninteger\n{status}\n"
