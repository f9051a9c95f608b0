"""The demo, with real programs and real network connections."""

import re
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from controller.alerts.alertmanager import Alertmanager, AlertmanagerUnavailableError
from controller.alerts.secret import basic_authorization
from controller.state.build import STATE_SERIES, state_label
from controller.state.moments import format_moment, parse_moment
from tests.controller.http_client import BrowserSession
from tests.helpers.waiting import wait_until
from tests.virtual_rack.demo.demo_process import (
    REPOSITORY,
    DemoProcess,
    run_module,
    running_demo,
)

pytestmark = pytest.mark.process

FAULTS = {
    "03-2": "dead", "05-1": "hang", "05-4": "reboot-once", "06-2": "wrong-clock",
    "08-1": "undervoltage", "08-2": "readonly",
}  # fmt: skip
UNDER_VOLTAGE = 'pirack_power_condition{condition="under_voltage",since="now",rasp="08-1"} == 1'


@pytest.fixture(scope="module")
def full_demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DemoProcess]:
    with running_demo(
        tmp_path_factory.mktemp("demo"), "--rack", str(REPOSITORY / "rack.toml")
    ) as running:
        yield running


DOWN = r"down \d\d °C last \d\d:\d\d"


def cell_text(page: str, name: str) -> str:
    """Return the text of a cell of the rack page."""
    match = re.search(
        rf'<a class="rasp [^>]*>\s*<span[^>]*>{name}</span>(.*?)</a>', page, re.DOTALL
    )
    assert match is not None
    return " ".join(re.sub(r"<[^>]*>", " ", match[1]).split())


def test_every_rasp_is_up_with_its_temperature(full_demo: DemoProcess) -> None:
    wait_until(lambda: full_demo.get("rack")["states"]["up"] == 48)
    rasps = full_demo.get("rasps")
    assert len(rasps) == 48
    assert all(30 < rasp["temperature_celsius"] < 100 for rasp in rasps)
    wait_until(lambda: full_demo.count('up{job="rasp"} == 1') == 48)
    assert re.fullmatch(r"\d\d °C (up|warm|hot)", cell_text(full_demo.rack_page(), "03-2"))


@pytest.mark.verify
def test_prometheus_sends_alerts_to_the_alertmanager_of_the_demo(
    full_demo: DemoProcess,
) -> None:
    secret = (full_demo.state_folder / "prometheus" / "secrets" / "alerts").read_text().strip()
    alertmanager = Alertmanager(f"127.0.0.1:{full_demo.port_base + 4}", basic_authorization(secret))

    def has_watchdog() -> bool:
        with suppress(AlertmanagerUnavailableError):  # it did not respond in time
            return "PiRackWatchdog" in {alert.name for alert in alertmanager.alerts()}
        return False

    wait_until(has_watchdog)
    assert secret not in (full_demo.folder / "demo.log").read_text()


def test_no_alias_of_any_rasp_fails(full_demo: DemoProcess) -> None:
    wait_until(lambda: full_demo.count("pirack_up == 1") == 48)
    assert full_demo.count("pirack_alias_success == 0") == 0


@pytest.fixture(scope="module")
def boot_time(full_demo: DemoProcess) -> float:
    """Boot time of rasp 05-4 before its fault."""
    boot_time: float = full_demo.get("rasps/20")["boot_time_seconds"]
    return boot_time


@pytest.fixture(scope="module")
def faulty_demo(full_demo: DemoProcess, boot_time: float) -> DemoProcess:
    """The demo after faults of some rasps, which the last of these tests clears."""
    for rasp, fault in FAULTS.items():
        completed = full_demo.run_virtual_rack("fault", rasp, fault)
        assert completed.stdout == f"{rasp}: fault {fault} injected\n"
    return full_demo


@pytest.fixture(scope="module")
def time_of_faults() -> list[str]:
    """Times at which 03-2 was down, which the next test adds."""
    return []


def test_dead_rasp_is_down(faulty_demo: DemoProcess, time_of_faults: list[str]) -> None:
    wait_until(lambda: faulty_demo.get("rasps/10")["state"] == "down")
    wait_until(lambda: faulty_demo.count('up{job="rasp",rasp="03-2"} == 0') == 1)
    wait_until(lambda: re.fullmatch(DOWN, cell_text(faulty_demo.rack_page(), "03-2")))
    time_of_faults.append(format_moment(time.time() + 1))  # it is rounded down


def test_hanging_exporter_is_distinguished_from_a_dead_rasp(faulty_demo: DemoProcess) -> None:
    wait_until(lambda: faulty_demo.get("rasps/17")["state"] == "down")
    reason = "the rasp answers ping, but its exporter does not"
    wait_until(lambda: faulty_demo.get("rasps/17")["reason"] == reason)


def test_under_voltage_and_read_only_root_appear_in_prometheus(faulty_demo: DemoProcess) -> None:
    wait_until(lambda: faulty_demo.count(UNDER_VOLTAGE) == 1)
    wait_until(lambda: faulty_demo.count('pirack_disk_readonly{rasp="08-2"} == 1') == 1)


def under_voltage_issue(rack: Any) -> dict[str, Any] | None:
    """Return what the issue of 08-1 has in common now and later, or None if there is no issue."""
    names = ("fingerprint", "reason", "severity", "rasps", "runbook_url")
    issues = [issue for issue in rack["issues"] if issue["kind"] == "PiRackRaspUnderVoltage"]
    return {name: issues[0][name] for name in names} if issues else None


@pytest.fixture(scope="module")
def recorded_issues() -> list[tuple[str, dict[str, Any]]]:
    """The issue of 08-1 and its time, which the next test adds."""
    return []


def test_issue_of_a_moment_ago_is_that_of_now(
    faulty_demo: DemoProcess, recorded_issues: list[tuple[str, dict[str, Any]]]
) -> None:
    def is_recorded() -> bool:
        moment = format_moment(time.time())
        now = under_voltage_issue(faulty_demo.get("rack"))
        if now is None or now != under_voltage_issue(faulty_demo.get(f"rack?at={moment}")):
            return False
        recorded_issues.append((moment, now))
        return True

    wait_until(is_recorded)


def test_rebooted_rasp_has_a_new_boot_time(faulty_demo: DemoProcess, boot_time: float) -> None:
    wait_until(lambda: (faulty_demo.get("rasps/20")["boot_time_seconds"] or 0) > boot_time)
    wait_until(lambda: faulty_demo.get("rasps/20")["state"] == "up")


def test_wrong_clock_is_shown_with_its_offset_and_does_not_change_the_uptime(
    faulty_demo: DemoProcess,
) -> None:
    wait_until(lambda: faulty_demo.get("rasps/06-2")["is_clock_off"] is True)
    rasp = faulty_demo.get("rasps/06-2")
    assert rasp["clock_offset_seconds"] == pytest.approx(-time.time(), abs=86400)
    assert rasp["uptime_seconds"] < 86400
    order = faulty_demo.post("rasps/execute", {"id": "06-2", "action": "uptime"}).json()
    wait_until(lambda: faulty_demo.get(f"orders/{order['id']}")["state"] == "done")
    [result] = faulty_demo.get(f"orders/{order['id']}")["results"]
    assert result["detail"].startswith("the clock of this rasp is 20")
    assert result["detail"].endswith(" d behind the master's")


def test_rasps_are_up_after_their_faults_are_cleared(faulty_demo: DemoProcess) -> None:
    completed = faulty_demo.run_virtual_rack("heal", " ".join(FAULTS))
    assert completed.returncode == 0
    assert "03-2: fault dead cleared\n" in completed.stdout
    wait_until(lambda: faulty_demo.get("rack")["states"]["up"] == 48)
    wait_until(lambda: faulty_demo.count('up{job="rasp"} == 1') == 48)
    wait_until(lambda: faulty_demo.count(UNDER_VOLTAGE) == 0)
    wait_until(lambda: faulty_demo.get("rasps/06-2")["is_clock_off"] is False)
    assert abs(faulty_demo.get("rasps/06-2")["clock_offset_seconds"]) < 10


def test_rack_page_shows_the_time_of_a_fault_that_was_cleared(
    faulty_demo: DemoProcess, time_of_faults: list[str]
) -> None:
    [moment] = time_of_faults
    past = faulty_demo.rack_page(f"?at={moment}")
    assert "As it was on" in past
    assert re.fullmatch(DOWN, cell_text(past, "03-2"))
    assert re.fullmatch(r"\d\d °C (up|warm|hot)", cell_text(past, "03-1"))
    assert re.fullmatch(r"\d\d °C (up|warm|hot)", cell_text(faulty_demo.rack_page(), "03-2"))
    rasp = faulty_demo.get(f"rasps?state=down&at={moment}")[0]
    assert (rasp["name"], rasp["mac"]) == ("03-2", faulty_demo.get("rasps/10")["mac"])
    assert "No history" not in past
    lane = r'aria-label="Stack 03: [^"]*partly down'
    wait_until(lambda: re.search(lane, faulty_demo.rack_page(f"?at={moment}&span=15m")))


def test_browser_shows_the_rack_as_prometheus_recorded_it(
    faulty_demo: DemoProcess,
    browser: Browser,
    recorded_issues: list[tuple[str, dict[str, Any]]],
) -> None:
    [(moment, issue)] = recorded_issues
    assert issue == under_voltage_issue(faulty_demo.get(f"rack?at={moment}"))
    recorded = faulty_demo.query(f"last_over_time({STATE_SERIES}[15s])", time=parse_moment(moment))
    states = {each["metric"]["rasp"]: state_label(float(each["value"][1])) for each in recorded}
    assert (len(states), states["03-2"]) == (48, "down")
    page = browser.new_page()
    page.goto(f"http://127.0.0.1:{faulty_demo.port_base}/?at={moment}&span=15m")
    tiles = [text.split() for text in page.locator(".rack a.rasp").all_inner_texts()]
    assert {words[0] for words in tiles if states[words[0]] in words} == set(states)
    issues = page.get_by_role("region", name="Issues at that time")
    expect(issues).to_contain_text("Under-voltage on 08-1")
    expect(issues.get_by_role("button")).to_have_count(0)
    page.close()
    alert_mark = 'class="mark mark-alert'
    wait_until(lambda: alert_mark in faulty_demo.rack_page(f"?at={moment}&span=15m"))


def test_demo_allows_anonymous_viewing_and_prints_credentials(full_demo: DemoProcess) -> None:
    welcome = (full_demo.folder / "demo.log").read_text()
    match = re.search(r"log in +(\S+), password (\S+)\n +API token +(\S+)\n", welcome)
    assert match is not None
    user, password, token = match.groups()
    url = f"http://127.0.0.1:{full_demo.port_base}"
    assert f"  export PIRACK_URL={url}\n  .venv/bin/pirack status\n" in welcome
    assert f"  export PIRACK_URL={url} PIRACK_TOKEN={token}\n" in welcome
    assert "Read-only access without login" in full_demo.rack_page()
    browser = BrowserSession(url)
    assert browser.log_in(user, password).status_code == 303
    assert f">{user}<" in browser.get("/").text
    response = browser.get("/api/v1.0/rack", headers={"Authorization": f"Bearer {token}"})
    assert response.status_code == 200
    log = full_demo.folder / f".demo-{full_demo.port_base}" / "logs" / "controller.log"
    assert password not in log.read_text()
    assert token not in log.read_text()


@pytest.mark.verify
def test_install_finds_every_rasp_in_its_slot(full_demo: DemoProcess) -> None:
    inventory = [(rasp["mac"], rasp["ip"]) for rasp in full_demo.get("rasps")]
    response = full_demo.post("installation", {"strategy": "cut"})
    assert response.status_code == 202, response.text
    wait_until(lambda: full_demo.get("installation")["state"] != "running")
    install = full_demo.get("installation")
    assert (install["state"], install["error"]) == ("done", ""), install["steps"]
    assert (install["stacks_done"], install["rasps_found"], install["missing"]) == (12, 48, {})
    assert [(rasp["mac"], rasp["ip"]) for rasp in full_demo.get("rasps")] == inventory
    conf = full_demo.folder / f".demo-{full_demo.port_base}" / "dhcpd" / "dhcpd.conf"
    assert conf.read_text().count("fixed-address") == 48
    wait_until(lambda: full_demo.get("rack")["states"]["up"] == 48)


def test_reboot_order_takes_a_rasp_down_and_up_again(full_demo: DemoProcess) -> None:
    full_demo.run_virtual_rack("fault", "6/1", "slow")  # longer than a scrape interval
    order = full_demo.post("rasps/execute", {"id": 21, "action": "reboot"}).json()
    wait_until(lambda: full_demo.get("rasps/21")["state"] == "down")
    wait_until(lambda: full_demo.get(f"orders/{order['id']}")["state"] == "done")
    assert full_demo.get(f"orders/{order['id']}")["result"] == "ok"
    wait_until(lambda: full_demo.get("rasps/21")["state"] == "up")
    full_demo.run_virtual_rack("heal", "6/1")


def test_stack_that_was_switched_off_is_not_an_issue(full_demo: DemoProcess) -> None:
    order = full_demo.post("stacks/execute", {"id": 9, "action": "power_off"}).json()
    wait_until(lambda: full_demo.get(f"orders/{order['id']}")["state"] == "done")
    wait_until(lambda: full_demo.get("rack")["states"]["off"] == 4)
    issues = full_demo.get("rack")["issues"]
    assert [issue for issue in issues if "09-1" in issue["rasps"]] == []
    wait_until(lambda: full_demo.get("stacks/9")["observed"] == "off")
    stack = full_demo.get("stacks/9")
    assert (stack["power"], stack["power_mismatch"]) == ("off", "")
    full_demo.post("stacks/execute", {"id": 9, "action": "power_on"})
    wait_until(lambda: full_demo.get("rack")["states"]["up"] == 48)


def test_rasps_are_unknown_until_prometheus_is_restarted(
    full_demo: DemoProcess,
) -> None:
    (prometheus,) = (each for each in full_demo.processes() if each.name() == "prometheus")
    prometheus.kill()
    wait_until(lambda: full_demo.get("rack")["states"]["unknown"] == 48)
    assert "cannot be reached" in full_demo.get("rack")["error"]
    assert "Rasp states are unavailable" in full_demo.rack_page()
    wait_until(lambda: full_demo.get("rack")["states"]["up"] == 48)


def test_prometheus_scrapes_the_controller_and_pings_every_rasp(full_demo: DemoProcess) -> None:
    wait_until(lambda: full_demo.count('up{job="controller"} == 1') == 1)
    wait_until(lambda: full_demo.count('probe_success{job="ping"} == 1') == 48)


def test_unknown_targets_and_missing_racks_are_rejected(
    full_demo: DemoProcess, tmp_path: Path
) -> None:
    result = full_demo.run_virtual_rack("fault", "13/1", "dead")
    assert (result.returncode, result.stderr) == (
        2,
        "no stack 13: this rack has stacks 1 to 12\n",
    )
    result = run_module("virtual_rack", "status", "--state", str(tmp_path))
    assert result.returncode == 2
    assert result.stderr.startswith(f"no virtual rack is running in {tmp_path}: start one with")


def test_second_demo_reports_which_processes_use_its_ports(
    full_demo: DemoProcess,
) -> None:
    second = run_module("virtual_rack.demo", "--port-base", str(full_demo.port_base))
    assert second.returncode == 2
    controller = f"127.0.0.1:{full_demo.port_base} for controller is in use by python"
    prometheus = f"127.0.0.1:{full_demo.port_base + 1} for Prometheus is in use by prometheus"
    assert controller in second.stderr
    assert prometheus in second.stderr
    assert "make demo PORT_BASE=" in second.stderr
