"""The demo whose rasps are powered by the ports of a PoE switch, with real SNMP."""

from collections.abc import Iterator

import pytest
import requests

from rack.layout_file import load
from tests.helpers.waiting import TIMEOUT_SECONDS, wait_until
from tests.virtual_rack.demo.demo_process import DemoProcess, running_poe_demo

pytestmark = pytest.mark.process


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DemoProcess]:
    with running_poe_demo(tmp_path_factory.mktemp("demo")) as running:
        wait_until(lambda: running.get("rack")["states"]["up"] == 4)
        yield running


def page(demo: DemoProcess, path: str) -> str:
    return requests.get(f"http://127.0.0.1:{demo.port_base}/{path}", timeout=TIMEOUT_SECONDS).text


def wait_for_order(demo: DemoProcess, rasp: str, action: str) -> None:
    order = demo.post("rasps/execute", {"id": rasp, "action": action}).json()
    wait_until(lambda: demo.get(f"orders/{order['id']}")["state"] == "done")
    done = demo.get(f"orders/{order['id']}")
    assert done["result"] == "ok", done["results"]


def test_each_rasp_has_a_port_and_its_watts(demo: DemoProcess) -> None:
    outlets = load(demo.state_folder / "rack.toml").outlets
    assert [outlet.label for outlet in outlets] == ["poe:1", "poe:2", "poe:3", "poe:4"]
    wait_until(lambda: all(rasp["outlet"]["watts"] for rasp in demo.get("rasps")))
    assert all(1 < rasp["outlet"]["watts"] < 7 for rasp in demo.get("rasps"))


def test_watts_and_energy_reach_prometheus_and_the_pages(demo: DemoProcess) -> None:
    wait_until(lambda: demo.count('pirack_power_watts{job="controller"} > 1') == 4)
    wait_until(lambda: demo.count('pirack_energy_joules_total{job="controller"} > 0') == 4)
    wait_until(lambda: "Energy:" in page(demo, "rasps/1"))
    wait_until(lambda: "Energy:" in page(demo, "stacks/2"))
    assert " Wh since the controller started" in page(demo, "rasps/1")


def test_single_rasp_is_switched_off_and_on(demo: DemoProcess) -> None:
    wait_for_order(demo, "01-2", "power_off")
    wait_until(lambda: demo.get("rack")["states"]["off"] == 1)
    assert demo.get("rasps/01-2")["state"] == "off"
    wait_until(lambda: demo.get("rack")["states"]["up"] == 3)
    rule = "rack_stack_slot:pirack_rasp_state:max"
    wait_until(lambda: demo.count(f'{rule}{{rasp="01-2"}} == 4') == 1)
    wait_until(lambda: demo.get("stacks/1")["power"] == "partial")
    assert [rasp["power"] for rasp in demo.get("stacks/1")["rasps"]] == ["on", "off"]
    wait_for_order(demo, "01-2", "power_on")
    wait_until(lambda: demo.get("rack")["states"]["up"] == 4)


def test_run_of_an_experiment_has_the_energy_of_its_rasps(demo: DemoProcess) -> None:
    wait_until(lambda: demo.get("rack")["states"]["up"] == 4)
    plan = 'nodes = "01-1 02-1"\ncheck = "none"\n'
    run = demo.post("experiments", {"file": "idle.toml", "text": plan}).json()
    path = f"experiments/{run['id']}"

    def has_ended() -> bool:
        demo.post(f"{path}/lease", {})
        state = demo.get(path)["state"]
        if state == "checking":
            demo.post(f"{path}/verdict", {"result": "ok"})
        return state in {"done", "aborted"}

    wait_until(has_ended)
    ended = demo.get(path)
    assert ended["state"] == "done", ended["reason"]
    energy, seconds = ended["energy"], ended["finished_at"] - ended["started_at"]
    assert [each["rasp"] for each in energy["outlets"]] == ["01-1", "02-1"]
    assert all(0 < each["joules"] < 7 * seconds for each in energy["outlets"])
    assert energy["is_complete"]


def test_power_is_unknown_while_the_switch_is_away_and_its_rasps_stay_up(
    demo: DemoProcess,
) -> None:
    demo.run_virtual_rack("fault", "all", "outlet-away")
    wait_until(lambda: {stack["power"] for stack in demo.get("stacks")} == {"unknown"})
    [warning] = demo.get("rack")["power_warnings"]
    assert warning["reason"].startswith("unknown: poe (snmp ")
    assert warning["rasps"] == ["01-1", "01-2", "02-1", "02-2"]
    wait_until(lambda: demo.get("rack")["states"]["up"] == 4)
    assert "poe:1 (snmp " in page(demo, "rasps/1")
    assert "power unknown" in page(demo, "")
    wait_until(lambda: demo.count('pirack_outlet_up{job="controller"} == 0') == 4)
    wait_until(lambda: demo.count('pirack_outlet_power_state{job="controller"}') == 0)
    demo.run_virtual_rack("heal", "all")
    wait_until(lambda: {stack["power"] for stack in demo.get("stacks")} == {"on"})
    wait_until(lambda: demo.get("rack")["power_warnings"] == [])
    wait_until(lambda: demo.get("rack")["states"]["up"] == 4)


def test_port_that_lies_fails_the_order(demo: DemoProcess) -> None:
    demo.run_virtual_rack("fault", "2/1", "outlet-lies")
    order = demo.post("rasps/execute", {"id": "02-1", "action": "power_off"}).json()
    wait_until(lambda: demo.get(f"orders/{order['id']}")["state"] == "done")
    [result] = demo.get(f"orders/{order['id']}")["results"]
    assert result["result"] != "ok"
    assert "poe:3 (snmp " in result["detail"]
    demo.run_virtual_rack("heal", "2/1")


def test_install_finds_the_slot_of_each_rasp(demo: DemoProcess) -> None:
    inventory = [(rasp["mac"], rasp["ip"]) for rasp in demo.get("rasps")]
    response = demo.post("installation", {"strategy": "cut"})
    assert response.status_code == 202, response.text
    wait_until(lambda: demo.get("installation")["state"] != "running")
    install = demo.get("installation")
    assert (install["state"], install["error"]) == ("done", ""), install["steps"]
    assert sorted(install["slots"].values()) == [1, 1, 2, 2]
    assert [(rasp["mac"], rasp["ip"]) for rasp in demo.get("rasps")] == inventory
    wait_until(lambda: demo.get("rack")["states"]["up"] == 4)
