"""Controllers that are killed or stopped during an install, on a loopback rack."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any
from unittest.mock import patch

import pytest
import requests

from controller.auth.roles import Role
from controller.auth.tokens import Tokens
from dhcp_installer.install.journal import Journal
from rack.power.outlets import Outlets
from tests.dhcp_installer.install_fixture import (
    LONG_CUT_SECONDS,
    InstallFixture,
    running_fixture,
)
from tests.helpers.layouts import pin_of
from tests.helpers.poe_layouts import PATIENT, poe_stacks, poe_table
from tests.helpers.waiting import TIMEOUT_SECONDS, free_port, wait_until
from virtual_rack import control
from virtual_rack.loopback import PING_PORT
from virtual_rack.relays import PinState

pytestmark = pytest.mark.process

UNMANAGED_CONFIG = "# ours\n"


class KillableController:
    """Process of a controller, with the API client of an operator."""

    def __init__(self, process: subprocess.Popen[bytes], port: int, token: str) -> None:
        self.process = process
        self._url = f"http://127.0.0.1:{port}"
        self._headers = {"Authorization": f"Bearer {token}"}

    def is_up(self) -> bool:
        try:
            return requests.get(f"{self._url}/healthz", timeout=2).ok
        except (requests.ConnectionError, requests.Timeout):
            return False

    def request(self, method: str, path: str, body: Any = None) -> Any:
        response = requests.request(
            method,
            f"{self._url}/api/v1.0/{path}",
            json=body,
            headers=self._headers,
            timeout=TIMEOUT_SECONDS,
        )
        assert response.ok, response.text
        return response.json()

    def metric(self, name: str) -> float:
        text = requests.get(f"{self._url}/metrics", timeout=10).text
        [line] = [line for line in text.splitlines() if line.startswith(f"{name} ")]
        return float(line.split()[1])


@contextmanager
def running_controller(lab: InstallFixture, token: str) -> Iterator[KillableController]:
    port = free_port()
    with (lab.folder / "controller.log").open("ab") as log:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "controller", "--rack", str(lab.layout_path)),
                *("--db", str(lab.database.path), "--targets", str(lab.folder / "targets")),
                *("--listen", f"127.0.0.1:{port}", "--anonymous", "viewer"),
                *("--prometheus", f"http://127.0.0.1:{free_port()}"),
                *("--ping", f"tcp:{PING_PORT}", "--dhcpd-conf", str(lab.config_path)),
                *("--dhcp-server", "auto-reload", "--dhcp-log", f"file:{lab.log_path}"),
            ],
            env=os.environ
            | {"GPIOZERO_PIN_FACTORY": "virtual_rack", "PIRACK_VIRTUAL_RACK": str(lab.state)},
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    controller = KillableController(process, port, token)
    try:
        wait_until(lambda: process.poll() is not None or controller.is_up())
        assert process.poll() is None, (lab.folder / "controller.log").read_text()
        yield controller
    finally:
        process.terminate()
        process.wait(TIMEOUT_SECONDS)


def wait_for_pin_requests(lab: InstallFixture) -> None:
    """Wait until the rack has processed the requests of a killed controller."""
    control.send(lab.state, {"command": "status"})  # accepted after these requests
    wait_until(
        lambda: not any("process_request" in thread.name for thread in threading.enumerate())
    )


@contextmanager
def relay_of_second_stack_blocked(lab: InstallFixture) -> Iterator[threading.Event]:
    """Block the relay of stack 2 from the cut of stack 1 until the `with` block ends.

    Yields an event that is set when an install tries to switch the relay.
    """
    is_blocked, is_released = threading.Event(), threading.Event()
    drive = lab.virtual.drive

    def drive_later(number: int, state: PinState) -> None:
        [record] = Journal(lab.database).list_recent(1)
        if number == pin_of(lab.rack.stack(2)) and record.report.stacks_done == 1:
            is_blocked.set()
            is_released.wait(TIMEOUT_SECONDS)
        drive(number, state)

    with patch.object(lab.virtual, "drive", drive_later):
        try:
            yield is_blocked
        finally:
            is_released.set()


def test_killed_install_is_recovered_on_request_only(tmp_path: Path) -> None:
    with running_fixture(tmp_path, stacks=3) as lab:
        lab.config_path.write_text(UNMANAGED_CONFIG)
        lab.relays.off(3)
        token = Tokens(lab.database).add("tester", Role.OPERATOR)
        with (
            running_controller(lab, token) as first,
            relay_of_second_stack_blocked(lab) as is_blocked,
        ):
            first.request("POST", "installation", {})
            assert is_blocked.wait(TIMEOUT_SECONDS)
            assert first.request("GET", "installation")["stacks_done"] == 1
            first.process.kill()
            first.process.wait()
        wait_for_pin_requests(lab)
        stack_power = lab.virtual.stack_power()
        with running_controller(lab, token) as second:
            install = second.request("GET", "installation")
            assert (install["state"], install["actor"], install["finished_at"]) == (
                "interrupted", "token:tester", None,
            )  # fmt: skip
            assert second.metric("pirack_install_unfinished") == 1
            assert lab.virtual.stack_power() == stack_power
            power = ["on" if has_power else "off" for has_power in lab.power]
            for stack, actual in zip(second.request("GET", "stacks"), power, strict=True):
                differs = f"commanded {stack['power']}, but its relay is {actual}: "
                assert stack["power_mismatch"].startswith(
                    differs if stack["power"] != actual else ""
                )
                assert bool(stack["power_mismatch"]) == (stack["power"] != actual)
            assert "max-lease-time 60" in lab.config_path.read_text()
            second.request("DELETE", "installation")
            wait_until(lambda: second.request("GET", "installation")["state"] == "stopped")
            assert lab.power == [True, True, False]
            wait_until(
                lambda: not any(s["power_mismatch"] for s in second.request("GET", "stacks"))
            )
            assert lab.config_path.read_text() == UNMANAGED_CONFIG
            assert second.metric("pirack_install_unfinished") == 0


class OutletInstalls:
    """Installs of a rack with a PoE port for each rasp, which are killed one after the other."""

    def __init__(self, lab: InstallFixture) -> None:
        self.lab = lab
        self.token = Tokens(lab.database).add("tester", Role.OPERATOR)
        one, other = lab.rasps[:2]
        self.previous_rasps = [replace(one, mac=other.mac), replace(other, mac=one.mac)]
        self.initial_power = {outlet.name: True for outlet in lab.rack.outlets}
        self.initial_power[lab.rack.outlets[-1].name] = False

    @property
    def _outlets(self) -> dict[str, tuple[bool, int]]:
        """Power of each port, and the number of its changes."""
        return dict(self.lab.virtual.outlet_power())

    @property
    def power(self) -> dict[str, bool]:
        return {name: is_on for name, (is_on, _) in self._outlets.items()}

    def _changes(self) -> int:
        return sum(changes for _, changes in self._outlets.values())

    def kill_during_discovery(self, seed: int) -> None:
        """Kill the controller after a random number of changes of ports."""
        self.lab.inventory.replace(self.previous_rasps)
        with closing(Outlets(self.lab.rack, self.lab.database)) as outlets:
            outlets.switch({each: self.initial_power[each.name] for each in self.lab.rack.outlets})
        last_change = self._changes() + Random(seed).randint(1, 4 * len(self.initial_power))
        with running_controller(self.lab, self.token) as controller:
            controller.request("POST", "installation", {})
            wait_until(lambda: self._changes() >= last_change)
            controller.process.kill()
            controller.process.wait()
        with closing(Outlets(self.lab.rack, self.lab.database)) as outlets:
            outlets.refresh("poe")  # the switch executes the requests of the controller first

    def check_start(self, *, recover: bool) -> None:
        """Start a controller, and recover the killed install or start a new one."""
        outlets = self._outlets
        with running_controller(self.lab, self.token) as controller:
            wait_until(lambda: self._observed_power(controller) == self.power)
            self._check_report(controller.request("GET", "installation"))
            assert controller.metric("pirack_install_unfinished") == 1
            assert self._outlets == outlets
            if recover:
                controller.request("DELETE", "installation")
                self._wait_for_state(controller, "stopped")
                assert self.power == self.initial_power
                assert self.lab.known_rasps == self.previous_rasps
            else:
                controller.request("POST", "installation", {})
                self._wait_for_state(controller, "done")
                assert all(self.power.values())
                assert self.lab.known_rasps == self.lab.rasps
            assert controller.metric("pirack_install_unfinished") == 0

    def _check_report(self, install: Any) -> None:
        assert (install["state"], install["finished_at"]) == ("interrupted", None)
        assert install["outlets_to_restore"] == [
            name for name, is_on in self.power.items() if is_on != self.initial_power[name]
        ]
        slots = {rasp.mac: rasp.slot for rasp in self.lab.rasps}
        assert install["slots"].items() <= slots.items()

    @staticmethod
    def _observed_power(controller: KillableController) -> dict[str, bool | None]:
        return {
            outlet["name"]: {"on": True, "off": False}.get(outlet["observed"])
            for stack in controller.request("GET", "stacks")
            for outlet in stack["outlets"]
        }

    @staticmethod
    def _wait_for_state(controller: KillableController, state: str) -> None:
        wait_until(lambda: not controller.request("GET", "installation")["state"].endswith("ing"))
        install = controller.request("GET", "installation")
        assert install["state"] == state, install


@pytest.mark.verify
@pytest.mark.timeout(1800)
def test_killed_install_of_a_rack_with_an_outlet_for_each_rasp_is_shown_and_changes_no_outlet(
    tmp_path: Path,
) -> None:
    with running_fixture(
        tmp_path,
        stacks=poe_stacks(3, 3),
        power_tables=f"{poe_table(tmp_path)}{PATIENT}",
        cut_seconds=0.5,
    ) as lab:
        lab.config_path.write_text(UNMANAGED_CONFIG)
        installs = OutletInstalls(lab)
        for seed in range(6):
            installs.kill_during_discovery(seed)
            installs.check_start(recover=seed % 2 == 0)


def test_controller_stops_its_install_on_sigterm(tmp_path: Path) -> None:
    with running_fixture(tmp_path, cut_seconds=LONG_CUT_SECONDS) as lab:
        lab.config_path.write_text(UNMANAGED_CONFIG)
        token = Tokens(lab.database).add("tester", Role.OPERATOR)
        with running_controller(lab, token) as controller:
            controller.request("POST", "installation", {})
            wait_until(lambda: controller.request("GET", "installation")["stage"] == "discover")
        [record] = lab.dependencies().journal.list_recent(1)
        assert record.state == "stopped"
        assert lab.power == [True, True]
        assert lab.config_path.read_text() == UNMANAGED_CONFIG
