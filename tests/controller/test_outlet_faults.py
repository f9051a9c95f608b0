"""Faults of the devices of all power drivers: the API, the pages, and orders meanwhile.

A rack has a stack for each driver, and a relay. A fault affects all devices at the same time. Slow
devices take longer than the timeout of the plugs, and less than that of the switch and the program.
"""

from collections.abc import Iterator

import pytest

from tests.controller.api_client import detail, results
from tests.controller.faulty_rack import (
    DEVICES,
    POE,
    SHELLY,
    TASMOTA,
    USB,
    FaultCase,
    FaultObservations,
    FaultyRack,
)
from tests.controller.rack_process import running_rack
from tests.helpers.mixed_layouts import OTHER_SECONDS, PLUG_SECONDS, MixedLayout

pytestmark = [pytest.mark.process, pytest.mark.slow]

REFUSED = "Connection refused: check the device and its address"
SLOW_PLUG = f"no reply within {PLUG_SECONDS} s: check the device and its address"
UNCHANGED = "the device accepted the command `off`, but the outlet is still on: check the device"
OTHER_PASSWORD = "the device rejected the password: correct password_file or password_env"
AWAY = {
    POE: f"no reply within {OTHER_SECONDS} s: check the switch, its address and the community",
    SHELLY: REFUSED,
    TASMOTA: REFUSED,
    USB: f"did not end within {OTHER_SECONDS} s and was killed:"
    " check the device, or set timeout_seconds",
}

CASES = (
    FaultCase("outlet-away", AWAY),
    FaultCase(
        "outlet-slow", {SHELLY: SLOW_PLUG, TASMOTA: SLOW_PLUG}, switched_late=frozenset({"03-1"})
    ),
    FaultCase(
        "outlet-credentials",
        {
            POE: AWAY[POE],
            SHELLY: OTHER_PASSWORD,
            TASMOTA: OTHER_PASSWORD,
            USB: "(permission denied): run the command `off` as the user pirack",
        },
    ),
    FaultCase(
        "outlet-refuses",
        {
            POE: "the switch rejected the command (genErr): check the switch and its log",
            SHELLY: "the device rejected Switch.Set (Failed precondition!): check the device",
            TASMOTA: UNCHANGED,
            USB: "(outlet a cannot be switched): run the command `off` as the user pirack",
        },
        is_readable=True,
    ),
    FaultCase("outlet-lies", dict.fromkeys(DEVICES, UNCHANGED), is_readable=True),
)


@pytest.fixture(scope="module")
def faulty_rack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FaultyRack]:
    folder = tmp_path_factory.mktemp("rack")
    layout = MixedLayout(folder)
    with running_rack(
        folder, stacks=layout.stacks, power_tables=layout.power_tables, orders="boot_seconds = 60"
    ) as rack:
        rack.start_blackbox()
        rack.wait_until_up()
        faulty_rack = FaultyRack(rack, rack.start_controller(), layout)
        faulty_rack.wait_until_read()
        yield faulty_rack


@pytest.fixture(scope="module", params=CASES, ids=lambda case: case.fault)
def observed(faulty_rack: FaultyRack, request: pytest.FixtureRequest) -> FaultObservations:
    case: FaultCase = request.param
    return faulty_rack.observe_fault(case)


def test_power_that_cannot_be_read_is_unknown_in_the_api(observed: FaultObservations) -> None:
    for number, stack in observed.stacks.items():
        rasps = [rasp["power"] for rasp in stack["rasps"]]
        outlets = [outlet["power"] for outlet in stack["outlets"]]
        if number in observed.case.unknown:
            assert {stack["power"], stack["observed"], *rasps, *outlets} == {"unknown"}
            for outlet in stack["outlets"]:
                assert (outlet["observed"], outlet["watts"]) == ("unknown", None)
                assert outlet["error"].startswith(
                    observed.error_prefixes[f"0{number}-{outlet['slot'] or 1}"]
                )
        else:
            power = {observed.outlets[outlet["name"]]["power"] for outlet in stack["outlets"]}
            assert {stack["power"], stack["observed"], *rasps, *outlets} == power
            assert [outlet["error"] for outlet in stack["outlets"]] == [""] * len(outlets)


def test_warnings_name_the_stacks_whose_power_is_unknown(observed: FaultObservations) -> None:
    rasps = [warning["rasps"] for warning in observed.power_warnings]
    assert {int(names[0][:2]): len(names) for names in rasps} == (
        dict.fromkeys(observed.case.unknown, 2)
    )
    reasons = [warning["reason"] for warning in observed.power_warnings]
    assert all(reason.startswith("unknown: ") for reason in reasons)


def test_pages_show_unknown_power_and_its_reason(observed: FaultObservations) -> None:
    assert observed.pages[""].count(">power unknown<") == len(observed.case.unknown)
    for number, stack in observed.stacks.items():
        is_unknown = number in observed.case.unknown
        assert (">power unknown<" in observed.pages[f"stacks/{number}"]) is is_unknown
        first, _ = stack["rasps"]
        page = observed.pages[f"rasps/{first['id']}"]
        error = f"The power is unknown. {observed.error_prefixes[first['name']]}"
        assert (error in page) is is_unknown
        state = "unknown" if is_unknown else stack["power"]
        assert f"commanded {state}, observed {state}" in page
    assert "commanded off, observed " in observed.pages["rasps/9"]


def test_master_page_reports_power_sources_that_cannot_be_read(observed: FaultObservations) -> None:
    reported = {
        stack
        for stack, source in enumerate(("poe (", "shelly (", "tasmota (", "usb ("), start=POE)
        if f"<b>{source}" in observed.pages["master"]
    }
    assert reported == observed.case.unknown
    assert (">power sources<" in observed.pages["master"]) is bool(reported)


def test_orders_fail_with_outlet_driver_and_fix(observed: FaultObservations) -> None:
    failed = {stack for stack, order in observed.orders.items() if order["result"] != "ok"}
    assert failed == set(observed.case.errors)
    for number in failed:
        order = observed.orders[number]
        assert set(results(order).values()) == {"failed"}
        for slot in (1, 2):
            name = f"0{number}-{slot}"
            error = detail(order, name)
            assert error.isprintable()
            assert error.startswith(observed.error_prefixes[name])
            assert error.endswith(observed.case.errors[number])


def test_relay_is_switched_without_waiting_for_the_devices(observed: FaultObservations) -> None:
    assert results(observed.relay) == {"05": "ok", "05-1": "ok", "05-2": "ok"}
    if observed.case.fault != "outlet-refuses":  # all others make orders wait for seconds
        last = max(order["finished_at"] for order in observed.orders.values())
        assert observed.relay_moved_at < last


def test_devices_are_as_commanded_after_a_fault_and_nothing_is_switched(
    observed: FaultObservations,
) -> None:
    assert observed.outlets_after == observed.outlets
    differing = [
        outlet["name"]
        for stack in observed.stacks_after.values()
        for outlet in stack["outlets"]
        if outlet["power"] != outlet["observed"]
    ]
    assert set(differing) == observed.case.switched_late
    failed = {f"0{stack}" for stack in observed.case.errors}
    for name, outlet in observed.outlets.items():
        is_off = name[:2] not in failed or name in observed.case.switched_late
        assert outlet["power"] == ("off" if is_off else "on")


def test_outlet_that_switches_after_its_order_has_failed_is_reported(
    observed: FaultObservations,
) -> None:
    mismatches = {
        number: stack["power_mismatch"]
        for number, stack in observed.stacks_after.items()
        if stack["power_mismatch"]
    }
    stacks = {int(name[:2]) for name in observed.case.switched_late}
    assert set(mismatches) == stacks
    for number in stacks:
        assert "commanded on, but its outlet is off" in mismatches[number]


def test_devices_that_restart_are_used_again_and_nothing_is_switched_by_that_alone(
    faulty_rack: FaultyRack,
) -> None:
    faulty_rack.inject("outlet-restarts")
    orders, relay = faulty_rack.switch_off_all()
    outlets = faulty_rack.rack.outlets
    stacks = faulty_rack.wait_until_read()
    assert faulty_rack.rack.outlets == outlets
    assert relay["result"] == "ok"
    for number, order in orders.items():
        power = "off" if order["result"] == "ok" else "on"
        assert stacks[number]["power"] == stacks[number]["observed"] == power
        for slot in (1, 2):  # the restart may end before the timeout
            error = detail(order, f"0{number}-{slot}")
            assert order["result"] == "ok" or error.endswith(AWAY[number])
    faulty_rack.switch_on_all()
