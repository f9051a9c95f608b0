"""What is told of what goes wrong: real Prometheus, real Alertmanager, real controller.

All faults of the first act are there at once, each in a stack of its own, so that the real times,
five times faster, have to be waited for once: whoever asserts of a stack waits for all of them.
"""

from collections.abc import Iterator

import pytest

from tests.helpers.waiting import wait_until
from tests.prometheus.alerting import AlertingRack, running_alerting_rack
from tools.programs import find

pytestmark = pytest.mark.timeout(300)

FAULTY = {
    "03": {"PiRackRaspDown"},  # 03-2 is dead
    "05": {"PiRackStackGone"},  # its relay has dropped by itself
    "07": {"PiRackRaspVeryHot", "PiRackRaspThrottled"},  # 07-4 is hot
    "09": {"PiRackRaspExporterDown"},  # the exporter of 09-1 hangs
}
OFF = "11"  # on purpose
PIN_OF_05 = 20
AFTERWARDS = {"PiRackRaspThrottledSinceBoot", "PiRackRaspRebooted"}


@pytest.fixture(scope="module")
def rack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AlertingRack]:
    for program in ("prometheus", "blackbox_exporter", "alertmanager"):
        find(program)
    with running_alerting_rack(tmp_path_factory.mktemp("rack")) as rack:
        yield rack


@pytest.fixture(scope="module")
def faulty(rack: AlertingRack) -> AlertingRack:
    """The rack when the first act is over."""
    rack.inject_fault("7/4", "hot")
    rack.inject_fault("3/2", "dead")
    rack.inject_fault("9/1", "hang")
    rack.drop_relay(PIN_OF_05)
    rack.submit_order(int(OFF), "power_off")
    wait_until(
        lambda: all(names <= rack.receiver.alerts_of(stack) for stack, names in FAULTY.items()), 110
    )
    return rack


@pytest.mark.parametrize("stack", FAULTY)
def test_people_are_told_exactly_what_is_wrong_with_a_stack(
    faulty: AlertingRack, stack: str
) -> None:
    assert faulty.receiver.alerts_of(stack) == FAULTY[stack]


def test_people_are_told_nothing_else(faulty: AlertingRack) -> None:
    assert {message.stack for message in faulty.receiver.notifications} == set(FAULTY)


def test_a_stack_that_is_off_on_purpose_is_told_to_nobody(faulty: AlertingRack) -> None:
    assert faulty.stack_power(OFF) == "off"
    assert ("PiRackStackPoweredOff", OFF) in faulty.firing_alerts()
    assert faulty.receiver.alerts_of(OFF) == set()


def test_the_stack_whose_relay_dropped_got_its_power_back_by_an_order_of_the_remedy(
    faulty: AlertingRack,
) -> None:
    wait_until(lambda: faulty.get("orders?q=remedy")[0]["state"] == "done")
    [order] = faulty.get("orders?q=remedy")
    assert (order["who"], order["action"], order["targets"], order["result"]) == (
        "remedy:PiRackStackGone",
        "power_cycle",
        ["05"],
        "ok",
    )
    assert faulty.stack_power("05") == "on"


def test_the_controller_shows_what_fires_and_what_explains_it(faulty: AlertingRack) -> None:
    def is_explained() -> dict[str, bool]:
        return {each["name"]: each["is_inhibited"] for each in faulty.get("alerts")["alerts"]}

    wait_until(lambda: "PiRackRaspHot" in is_explained())
    explained = is_explained()
    assert explained["PiRackRaspHot"] is True  # it is very hot
    assert explained["PiRackRaspVeryHot"] is explained["PiRackRaspDown"] is False
    assert not {"PiRackStackPoweredOff", "PiRackWatchdog"} & explained.keys()
    shown = faulty.get("alerts")
    assert shown["trouble"] == ""
    assert shown["heard_at"] is not None  # the watchdog came through


def test_48_rasps_that_die_at_once_make_one_message_a_stack_and_the_controller_stays_up(
    faulty: AlertingRack,
) -> None:
    faulty.clear_fault("all")
    faulty.submit_order(int(OFF), "power_on")
    wait_until(lambda: faulty.get("rack")["states"]["up"] == 48, 60)
    wait_until(lambda: {name for name, stack in faulty.firing_alerts() if stack} <= AFTERWARDS, 60)
    faulty.reset_monitoring()
    faulty.inject_fault("all", "dead")
    stacks = {f"{number:02}" for number in range(1, 13)}
    wait_until(lambda: stacks <= set(faulty.receiver.notification_counts), 60)
    wait_until(lambda: ("PiRackRaspDown", "12") in faulty.firing_alerts(), 30)
    assert set(faulty.receiver.notification_counts.values()) == {1}
    assert {message.alert_names for message in faulty.receiver.notifications} == {
        ("PiRackStackGone",)
    }
    assert faulty.get("rack")["states"]["down"] == 48
    alerts = faulty.get("alerts")["alerts"]
    gone = [alert for alert in alerts if alert["name"] == "PiRackStackGone"]
    assert all("gone at once" in alert["remedy"] for alert in gone)
    assert all(alert["is_inhibited"] for alert in alerts if alert["name"] == "PiRackRaspDown")
    assert len(faulty.get("orders?q=remedy")) == 1
