"""Installs by the controller: begun, watched and stopped over the API, on a loopback rack."""

import threading
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from prometheus_client import CollectorRegistry, generate_latest

from controller.auth.access_control import AccessControl
from controller.auth.roles import Role
from controller.errors import StackBusyError
from controller.installation import metrics
from controller.installation.service import InstallService, Requester
from controller.reservations import Reservations
from dhcp_installer.install.journal import InstallKind, InstallState
from rack.relays import Relays
from tests.dhcp_installer.install_fixture import InstallFixture, running_fixture
from tests.helpers.waiting import wait_until
from virtual_rack.faults import Fault

UNMANAGED_CONFIG = "# ours\n"
Headers = Mapping[str, str]


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[InstallFixture]:
    with running_fixture(tmp_path) as lab:
        lab.config_path.write_text(UNMANAGED_CONFIG)
        yield lab


@pytest.fixture
def access(lab: InstallFixture) -> AccessControl:
    return AccessControl(lab.database, anonymous="viewer")


@pytest.fixture
def reservations() -> Reservations:
    return Reservations()


@pytest.fixture
def relays(lab: InstallFixture) -> Relays:
    """The controller's."""
    return lab.relays


@pytest.fixture
def installation(
    lab: InstallFixture, relays: Relays, access: AccessControl, reservations: Reservations
) -> Iterator[InstallService]:
    installation = InstallService(lab.dependencies(relays=relays), reservations, access.audit)
    yield installation
    installation.close()


@pytest.fixture
def operator_headers(access: AccessControl) -> Headers:
    return {"Authorization": f"Bearer {access.tokens.add('tester', Role.OPERATOR)}"}


def call_api(
    client: FlaskClient, method: str, path: str, headers: Headers, status: int, body: Any = None
) -> Any:
    answer = client.open(f"/api/v1.0/{path}", method=method, headers=dict(headers), json=body)
    assert answer.status_code == status, answer.text
    return answer.json


def wait_until_finished(client: FlaskClient) -> Any:
    """Wait until nothing runs, and return what the API says of the last install."""

    def latest() -> Any:
        return call_api(client, "GET", "installation", {}, 200)

    wait_until(lambda: latest()["state"] not in {"running", "stopping"})
    return latest()


def test_there_was_none_at_first(client: FlaskClient) -> None:
    answer = call_api(client, "GET", "installation", {}, 200)
    assert (answer["state"], answer["id"], answer["steps"]) == ("none", None, [])
    assert call_api(client, "GET", "installations", {}, 200) == []


def test_an_install_is_begun_watched_and_done(
    client: FlaskClient, lab: InstallFixture, operator_headers: Headers, access: AccessControl
) -> None:
    begun = call_api(client, "POST", "installation", operator_headers, 202, {"strategy": "cut"})
    assert (begun["state"], begun["who"], begun["kind"]) == ("running", "token:tester", "install")
    done = wait_until_finished(client)
    assert (done["state"], done["trouble"], done["id"]) == ("done", "", begun["id"])
    assert (done["stacks_done"], done["rasps_found"], done["missing"]) == (2, 4, {})
    assert done["found"]["2"] == ["b8:27:eb:23:02:01", "b8:27:eb:23:02:02"]
    assert "4 of 4 rasps answer at their addresses" in [step["text"] for step in done["steps"]]
    assert "+host rasp-01-1" in done["diff"]
    assert lab.known_rasps == lab.rasps
    assert call_api(client, "GET", "installations", {}, 200) == [done]
    event = access.audit.list_recent(1)[0].event
    assert (event.actor, event.action, event.targets, event.result) == (
        "token:tester", "install cut", "all stacks", "ok",
    )  # fmt: skip


def test_one_runs_at_a_time_and_has_all_stacks(
    client: FlaskClient, operator_headers: Headers, reservations: Reservations
) -> None:
    call_api(client, "POST", "installation", operator_headers, 202, {})
    assert reservations.holders() == dict.fromkeys((1, 2), "install of token:tester")
    with pytest.raises(StackBusyError):
        reservations.claim([2], "an order")
    refused = call_api(client, "POST", "installation", operator_headers, 409, {})
    assert "wait until it is over, or stop it" in refused["detail"]
    assert wait_until_finished(client)["state"] == "done"
    wait_until(lambda: reservations.holders() == {})


def test_a_stack_that_an_order_has_is_named(
    client: FlaskClient, operator_headers: Headers, reservations: Reservations, lab: InstallFixture
) -> None:
    with reservations.claim([2], "order 12: power_off"):
        refused = call_api(client, "POST", "installation", operator_headers, 409, {})
    assert "stack 2 is busy with order 12" in refused["detail"]
    assert call_api(client, "GET", "installation", {}, 200)["state"] == "none"


def test_who_only_looks_may_see_it_and_begin_nothing(
    client: FlaskClient, access: AccessControl
) -> None:
    viewer = {"Authorization": f"Bearer {access.tokens.add('viewer', Role.VIEWER)}"}
    call_api(client, "GET", "installation", viewer, 200)
    for method, path, body in (
        ("POST", "installation", {}),
        ("DELETE", "installation", None),
        ("POST", "rasps/1/replace", {}),
        ("POST", "rasps/swap", {"ids": [1, 2]}),
    ):
        call_api(client, method, path, viewer, 403, body)


def test_a_dry_run_tells_the_diff_and_begins_nothing(
    client: FlaskClient, operator_headers: Headers, lab: InstallFixture
) -> None:
    lab.inventory.replace(lab.rasps)
    answer = call_api(client, "POST", "installation", operator_headers, 200, {"dry_run": True})
    assert (answer["state"], answer["dry_run"], answer["id"]) == ("done", True, None)
    assert "+host rasp-01-1" in answer["diff"]
    assert lab.config_path.read_text() == UNMANAGED_CONFIG
    assert call_api(client, "GET", "installation", {}, 200)["state"] == "none"


def test_a_dry_run_names_what_would_be_in_the_way(
    client: FlaskClient, operator_headers: Headers, lab: InstallFixture
) -> None:
    lab.config_path.write_text(f"subnet {lab.network}.0.0 netmask 255.255.0.0 {{ }}\n")
    answer = call_api(client, "POST", "installation", operator_headers, 409, {"dry_run": True})
    assert "is declared in" in answer["detail"]


def test_a_stop_gives_power_and_configuration_back(
    client: FlaskClient, operator_headers: Headers, lab: InstallFixture, relays: Relays
) -> None:
    relays.off(2)
    call_api(client, "POST", "installation", operator_headers, 202, {})
    wait_until(lambda: call_api(client, "GET", "installation", {}, 200)["stage"] == "discover")
    assert call_api(client, "DELETE", "installation", operator_headers, 202)["state"] == "stopping"
    end = wait_until_finished(client)
    assert (end["state"], end["trouble"]) == ("stopped", "")
    assert lab.power == [True, False]
    assert lab.config_path.read_text() == UNMANAGED_CONFIG
    call_api(client, "DELETE", "installation", operator_headers, 409)


def create_interrupted_install(lab: InstallFixture, *, has_assignment: bool) -> int:
    """Leave what a controller leaves that is killed in the middle of an install."""
    world = lab.dependencies()
    number = world.journal.create(InstallKind.INSTALL, "cut", "alice", lab.config_path)
    world.journal.record_config_write(number, lab.config_path.read_text())
    world.configuration.activate(world.configuration.render([], lease_seconds=60))
    world.relays.off(1, installing=True)
    if has_assignment:
        world.journal.record_assignment(number, lab.rasps)
    return number


@pytest.mark.parametrize("decided", [False, True])
def test_an_interrupted_one_is_told_moves_nothing_and_is_put_in_order_when_asked(
    lab: InstallFixture, access: AccessControl, decided: bool
) -> None:
    number = create_interrupted_install(lab, has_assignment=decided)
    installation = InstallService(lab.dependencies(), Reservations(), access.audit)
    latest = installation.latest()
    assert latest is not None
    assert (latest.state, latest.id, latest.finished_at) == (InstallState.INTERRUPTED, number, None)
    assert lab.power == [False, True]
    assert metric_value(installation, "pirack_install_unfinished") == 1
    installation.stop(Requester("bob"))
    wait_until(lambda: not installation.is_running)
    latest = installation.latest()
    assert latest is not None
    assert latest.state is InstallState.STOPPED
    assert latest.finished_at is not None
    assert lab.power == [True, True]
    assert lab.known_rasps == (lab.rasps if decided else [])
    assert ("rasp-01-1" in lab.config_path.read_text()) == decided
    assert lab.config_path.read_text().startswith(UNMANAGED_CONFIG)
    assert metric_value(installation, "pirack_install_unfinished") == 0


def test_the_next_install_says_what_became_of_an_interrupted_one(
    lab: InstallFixture, access: AccessControl, client: FlaskClient, operator_headers: Headers
) -> None:
    number = create_interrupted_install(lab, has_assignment=False)
    lab.dependencies().journal.mark_interrupted()
    call_api(client, "POST", "installation", operator_headers, 202, {})
    end = wait_until_finished(client)
    assert end["state"] == "done"
    assert end["steps"][0]["text"].startswith(f"install {number} was interrupted")
    assert lab.known_rasps == lab.rasps


def test_a_controller_that_ends_stops_its_install(
    lab: InstallFixture, installation: InstallService
) -> None:
    installation.start("cut", Requester("alice"))
    wait_until(lambda: (latest := installation.latest()) is not None and latest.report.stacks_total)
    installation.close()
    latest = installation.latest()
    assert latest is not None
    assert latest.state is InstallState.STOPPED
    assert lab.config_path.read_text() == UNMANAGED_CONFIG
    assert lab.power == [True, True]


def metric_value(installation: InstallService, name: str) -> float:
    registry = CollectorRegistry()
    metrics.register_metrics(registry, installation)
    for line in generate_latest(registry).decode().splitlines():
        if line.startswith(f"{name} "):
            return float(line.split()[1])
    raise AssertionError(name)


def test_metrics_tell_how_far_it_is(installation: InstallService) -> None:
    names = ("running", "unfinished", "stacks_done", "rasps_found")
    assert [metric_value(installation, f"pirack_install_{name}") for name in names] == [0, 0, 0, 0]
    installation.start("cut", Requester("alice"))
    assert metric_value(installation, "pirack_install_running") == 1
    wait_until(lambda: not installation.is_running)
    assert [metric_value(installation, f"pirack_install_{name}") for name in names] == [0, 0, 2, 4]


@pytest.mark.parametrize("power", ["on", "off"])
def test_a_new_board_gets_the_name_and_the_address_of_the_old_one(
    client: FlaskClient, operator_headers: Headers, lab: InstallFixture, relays: Relays, power: str
) -> None:
    """The inventory has another MAC in slot 2/1 than the one that sits there now."""
    old = "b8:27:eb:ff:ff:01"
    before = [replace(rasp, mac=old) if rasp == lab.rasps[2] else rasp for rasp in lab.rasps]
    lab.inventory.replace(before)
    if power == "off":
        relays.off(2)
    begun = call_api(client, "POST", "rasps/3/replace", operator_headers, 202, {})
    assert begun["kind"] == "replace"
    if power == "on":  # the board was put in before: only a boot shows it
        wait_until(lambda: call_api(client, "GET", "installation", {}, 200)["stage"] == "wait")
        lab.inject_fault(2, 1, Fault.REBOOT_ONCE)
    end = wait_until_finished(client)
    assert (end["state"], end["trouble"]) == ("done", ""), end
    assert "b8:27:eb:23:02:01 is the new board of slot 2/1" in [s["text"] for s in end["steps"]]
    assert lab.known_rasps == lab.rasps
    assert old not in lab.config_path.read_text()
    assert lab.power == [True, True]


@pytest.mark.parametrize("strategy", ["cut", "one-by-one"])
def test_what_rasps_of_other_stacks_do_meanwhile_moves_none_of_them(
    client: FlaskClient,
    operator_headers: Headers,
    lab: InstallFixture,
    relays: Relays,
    strategy: str,
) -> None:
    outsider, old = lab.rasps[0], "b8:27:eb:ff:ff:01"
    before = [replace(rasp, mac=old) if rasp == lab.rasps[2] else rasp for rasp in lab.rasps]
    lab.inventory.replace(before)
    relays.off(2)
    is_over = threading.Event()

    def renew() -> None:
        while not is_over.wait(0.02):
            with lab.log_path.open("a") as log:
                log.write(f"DHCPREQUEST for {outsider.address} from {outsider.mac} via lo\n")

    renewing = threading.Thread(target=renew)
    renewing.start()
    call_api(client, "POST", "rasps/3/replace", operator_headers, 202, {"strategy": strategy})
    end = wait_until_finished(client)
    is_over.set()
    renewing.join()
    assert (end["state"], end["trouble"]) == ("done", ""), end
    assert lab.known_rasps == lab.rasps


def test_a_new_board_that_does_not_come_changes_nothing(
    client: FlaskClient, operator_headers: Headers, lab: InstallFixture
) -> None:
    lab.inventory.replace(lab.rasps)
    call_api(client, "POST", "rasps/3/replace", operator_headers, 202, {})
    end = wait_until_finished(client)
    assert end["state"] == "failed"
    assert "no new board asked for an address in 5 s" in end["trouble"]
    assert lab.known_rasps == lab.rasps
    assert lab.config_path.read_text() == UNMANAGED_CONFIG


def test_two_rasps_of_a_stack_change_their_slots(
    client: FlaskClient, operator_headers: Headers, lab: InstallFixture
) -> None:
    lab.inventory.replace(lab.rasps)
    answer = call_api(client, "POST", "rasps/swap", operator_headers, 200, {"ids": [3, 4]})
    assert (answer["state"], answer["kind"], answer["trouble"]) == ("done", "swap", "")
    macs = {(rasp.stack, rasp.slot): rasp.mac for rasp in lab.known_rasps}
    assert macs[2, 1] == "b8:27:eb:23:02:02"
    assert macs[2, 2] == "b8:27:eb:23:02:01"
    address = lab.rack.stack(2).slots[0].address
    assert f"ethernet {macs[2, 1]}; fixed-address {address};" in lab.config_path.read_text()
    assert lab.power == [True, True]


@pytest.mark.parametrize(
    ("ids", "status", "why"),
    [
        ([1, 3], 422, "are in two stacks"),
        ([1, 99], 404, "no rasp 99"),
        ([1], 422, "ids"),
        ([1, 2], 422, "there is no rasp in slot 1/1, nor in 1/2"),
    ],
)
def test_a_swap_that_cannot_be_is_refused_with_its_reason(
    client: FlaskClient, operator_headers: Headers, ids: list[int], status: int, why: str
) -> None:
    assert (
        why
        in call_api(client, "POST", "rasps/swap", operator_headers, status, {"ids": ids})["detail"]
    )
    assert call_api(client, "GET", "installation", {}, 200)["state"] == "none"
