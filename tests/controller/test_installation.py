"""Installs by the controller: begun, watched and stopped over the API, on a loopback rack."""

import threading
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from prometheus_client import CollectorRegistry, generate_latest

from controller.access import Access
from controller.errors import StackBusy
from controller.installation import metrics
from controller.installation.installation import Asker, Installation
from controller.reservations import Reservations
from controller.roles import Role
from dhcp_installer.journal import InstallKind, InstallState
from rack.relays import Relays
from tests.dhcp_installer.lab import Lab, a_lab
from tests.waiting import until
from virtual_rack.faults import Fault

BY_HAND = "# ours\n"
Caller = Mapping[str, str]


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    with a_lab(tmp_path) as lab:
        lab.conf.write_text(BY_HAND)
        yield lab


@pytest.fixture
def access(lab: Lab) -> Access:
    return Access(lab.database, anonymous="viewer")


@pytest.fixture
def reservations() -> Reservations:
    return Reservations()


@pytest.fixture
def relays(lab: Lab) -> Relays:
    """The controller's."""
    return lab.relays


@pytest.fixture
def installation(
    lab: Lab, relays: Relays, access: Access, reservations: Reservations
) -> Iterator[Installation]:
    installation = Installation(lab.world(relays=relays), reservations, access.audit)
    yield installation
    installation.close()


@pytest.fixture
def operator(access: Access) -> Caller:
    return {"Authorization": f"Bearer {access.tokens.add('tester', Role.OPERATOR)}"}


def ask(
    client: FlaskClient, method: str, path: str, caller: Caller, status: int, body: Any = None
) -> Any:
    answer = client.open(f"/api/v1.0/{path}", method=method, headers=dict(caller), json=body)
    assert answer.status_code == status, answer.text
    return answer.json


def the_end(client: FlaskClient) -> Any:
    """Wait until nothing runs, and return what the API says of the last install."""

    def latest() -> Any:
        return ask(client, "GET", "installation", {}, 200)

    until(lambda: latest()["state"] not in {"running", "stopping"})
    return latest()


def test_there_was_none_at_first(client: FlaskClient) -> None:
    answer = ask(client, "GET", "installation", {}, 200)
    assert (answer["state"], answer["id"], answer["steps"]) == ("none", None, [])
    assert ask(client, "GET", "installations", {}, 200) == []


def test_an_install_is_begun_watched_and_done(
    client: FlaskClient, lab: Lab, operator: Caller, access: Access
) -> None:
    begun = ask(client, "POST", "installation", operator, 202, {"strategy": "cut"})
    assert (begun["state"], begun["who"], begun["kind"]) == ("running", "token:tester", "install")
    done = the_end(client)
    assert (done["state"], done["trouble"], done["id"]) == ("done", "", begun["id"])
    assert (done["stacks_done"], done["rasps_found"], done["missing"]) == (2, 4, {})
    assert done["found"]["2"] == ["b8:27:eb:23:02:01", "b8:27:eb:23:02:02"]
    assert "4 of 4 rasps answer at their addresses" in [step["text"] for step in done["steps"]]
    assert "+host rasp-01-1" in done["diff"]
    assert lab.known == lab.rasps
    assert ask(client, "GET", "installations", {}, 200) == [done]
    event = access.audit.newest(1)[0].event
    assert (event.who, event.what, event.targets, event.result) == (
        "token:tester", "install cut", "all stacks", "ok",
    )  # fmt: skip


def test_one_runs_at_a_time_and_has_all_stacks(
    client: FlaskClient, operator: Caller, reservations: Reservations
) -> None:
    ask(client, "POST", "installation", operator, 202, {})
    assert reservations.holders() == dict.fromkeys((1, 2), "install of token:tester")
    with pytest.raises(StackBusy):
        reservations.claim([2], "an order")
    refused = ask(client, "POST", "installation", operator, 409, {})
    assert "wait until it is over, or stop it" in refused["detail"]
    assert the_end(client)["state"] == "done"
    until(lambda: reservations.holders() == {})


def test_a_stack_that_an_order_has_is_named(
    client: FlaskClient, operator: Caller, reservations: Reservations, lab: Lab
) -> None:
    with reservations.claim([2], "order 12: power_off"):
        refused = ask(client, "POST", "installation", operator, 409, {})
    assert "stack 2 is busy with order 12" in refused["detail"]
    assert ask(client, "GET", "installation", {}, 200)["state"] == "none"


def test_who_only_looks_may_see_it_and_begin_nothing(client: FlaskClient, access: Access) -> None:
    viewer = {"Authorization": f"Bearer {access.tokens.add('viewer', Role.VIEWER)}"}
    ask(client, "GET", "installation", viewer, 200)
    for method, path, body in (
        ("POST", "installation", {}),
        ("DELETE", "installation", None),
        ("POST", "rasps/1/replace", {}),
        ("POST", "rasps/swap", {"ids": [1, 2]}),
    ):
        ask(client, method, path, viewer, 403, body)


def test_a_dry_run_tells_the_diff_and_begins_nothing(
    client: FlaskClient, operator: Caller, lab: Lab
) -> None:
    lab.inventory.replace(lab.rasps)
    answer = ask(client, "POST", "installation", operator, 200, {"dry_run": True})
    assert (answer["state"], answer["dry_run"], answer["id"]) == ("done", True, None)
    assert "+host rasp-01-1" in answer["diff"]
    assert lab.conf.read_text() == BY_HAND
    assert ask(client, "GET", "installation", {}, 200)["state"] == "none"


def test_a_dry_run_names_what_would_be_in_the_way(
    client: FlaskClient, operator: Caller, lab: Lab
) -> None:
    lab.conf.write_text(f"subnet {lab.network}.0.0 netmask 255.255.0.0 {{ }}\n")
    answer = ask(client, "POST", "installation", operator, 409, {"dry_run": True})
    assert "is declared in" in answer["detail"]


def test_a_stop_gives_power_and_configuration_back(
    client: FlaskClient, operator: Caller, lab: Lab, relays: Relays
) -> None:
    relays.off(2)
    ask(client, "POST", "installation", operator, 202, {})
    until(lambda: ask(client, "GET", "installation", {}, 200)["stage"] == "discover")
    assert ask(client, "DELETE", "installation", operator, 202)["state"] == "stopping"
    end = the_end(client)
    assert (end["state"], end["trouble"]) == ("stopped", "")
    assert lab.power == [True, False]
    assert lab.conf.read_text() == BY_HAND
    ask(client, "DELETE", "installation", operator, 409)


def interrupted(lab: Lab, *, decided: bool) -> int:
    """Leave what a controller leaves that is killed in the middle of an install."""
    world = lab.world()
    number = world.journal.begin(InstallKind.INSTALL, "cut", "alice", lab.conf)
    world.journal.write(number, lab.conf.read_text())
    world.configuration.put_in_force(world.configuration.wanted([], lease_seconds=60))
    world.relays.off(1, installing=True)
    if decided:
        world.journal.decide(number, lab.rasps)
    return number


@pytest.mark.parametrize("decided", [False, True])
def test_an_interrupted_one_is_told_moves_nothing_and_is_put_in_order_when_asked(
    lab: Lab, access: Access, decided: bool
) -> None:
    number = interrupted(lab, decided=decided)
    installation = Installation(lab.world(), Reservations(), access.audit)
    latest = installation.latest()
    assert latest is not None
    assert (latest.state, latest.id, latest.ended) == (InstallState.INTERRUPTED, number, None)
    assert lab.power == [False, True]
    assert metric(installation, "pirack_install_unfinished") == 1
    installation.stop(Asker("bob"))
    until(lambda: not installation.is_running)
    latest = installation.latest()
    assert latest is not None
    assert latest.state is InstallState.STOPPED
    assert latest.ended is not None
    assert lab.power == [True, True]
    assert lab.known == (lab.rasps if decided else [])
    assert ("rasp-01-1" in lab.conf.read_text()) == decided
    assert lab.conf.read_text().startswith(BY_HAND)
    assert metric(installation, "pirack_install_unfinished") == 0


def test_the_next_install_says_what_became_of_an_interrupted_one(
    lab: Lab, access: Access, client: FlaskClient, operator: Caller
) -> None:
    number = interrupted(lab, decided=False)
    lab.world().journal.interrupt()
    ask(client, "POST", "installation", operator, 202, {})
    end = the_end(client)
    assert end["state"] == "done"
    assert end["steps"][0]["text"].startswith(f"install {number} was interrupted")
    assert lab.known == lab.rasps


def test_a_controller_that_ends_stops_its_install(lab: Lab, installation: Installation) -> None:
    installation.start("cut", Asker("alice"))
    until(lambda: (latest := installation.latest()) is not None and latest.report.stacks_total)
    installation.close()
    latest = installation.latest()
    assert latest is not None
    assert latest.state is InstallState.STOPPED
    assert lab.conf.read_text() == BY_HAND
    assert lab.power == [True, True]


def metric(installation: Installation, name: str) -> float:
    registry = CollectorRegistry()
    metrics.describe(registry, installation)
    for line in generate_latest(registry).decode().splitlines():
        if line.startswith(f"{name} "):
            return float(line.split()[1])
    raise AssertionError(name)


def test_metrics_tell_how_far_it_is(installation: Installation) -> None:
    names = ("running", "unfinished", "stacks_done", "rasps_found")
    assert [metric(installation, f"pirack_install_{name}") for name in names] == [0, 0, 0, 0]
    installation.start("cut", Asker("alice"))
    assert metric(installation, "pirack_install_running") == 1
    until(lambda: not installation.is_running)
    assert [metric(installation, f"pirack_install_{name}") for name in names] == [0, 0, 2, 4]


@pytest.mark.parametrize("power", ["on", "off"])
def test_a_new_board_gets_the_name_and_the_address_of_the_old_one(
    client: FlaskClient, operator: Caller, lab: Lab, relays: Relays, power: str
) -> None:
    """The inventory has another MAC in slot 2/1 than the one that sits there now."""
    old = "b8:27:eb:ff:ff:01"
    before = [replace(rasp, mac=old) if rasp == lab.rasps[2] else rasp for rasp in lab.rasps]
    lab.inventory.replace(before)
    if power == "off":
        relays.off(2)
    begun = ask(client, "POST", "rasps/3/replace", operator, 202, {})
    assert begun["kind"] == "replace"
    if power == "on":  # the board was put in before: only a boot shows it
        until(lambda: ask(client, "GET", "installation", {}, 200)["stage"] == "wait")
        lab.put_on(2, 1, Fault.REBOOT_ONCE)
    end = the_end(client)
    assert (end["state"], end["trouble"]) == ("done", ""), end
    assert "b8:27:eb:23:02:01 is the new board of slot 2/1" in [s["text"] for s in end["steps"]]
    assert lab.known == lab.rasps
    assert old not in lab.conf.read_text()
    assert lab.power == [True, True]


@pytest.mark.parametrize("strategy", ["cut", "one-by-one"])
def test_what_rasps_of_other_stacks_do_meanwhile_moves_none_of_them(
    client: FlaskClient, operator: Caller, lab: Lab, relays: Relays, strategy: str
) -> None:
    outsider, old = lab.rasps[0], "b8:27:eb:ff:ff:01"
    before = [replace(rasp, mac=old) if rasp == lab.rasps[2] else rasp for rasp in lab.rasps]
    lab.inventory.replace(before)
    relays.off(2)
    is_over = threading.Event()

    def renew() -> None:
        while not is_over.wait(0.02):
            with lab.log.open("a") as log:
                log.write(f"DHCPREQUEST for {outsider.address} from {outsider.mac} via lo\n")

    renewing = threading.Thread(target=renew)
    renewing.start()
    ask(client, "POST", "rasps/3/replace", operator, 202, {"strategy": strategy})
    end = the_end(client)
    is_over.set()
    renewing.join()
    assert (end["state"], end["trouble"]) == ("done", ""), end
    assert lab.known == lab.rasps


def test_a_new_board_that_does_not_come_changes_nothing(
    client: FlaskClient, operator: Caller, lab: Lab
) -> None:
    lab.inventory.replace(lab.rasps)
    ask(client, "POST", "rasps/3/replace", operator, 202, {})
    end = the_end(client)
    assert end["state"] == "failed"
    assert "no new board asked for an address in 5 s" in end["trouble"]
    assert lab.known == lab.rasps
    assert lab.conf.read_text() == BY_HAND


def test_two_rasps_of_a_stack_change_their_slots(
    client: FlaskClient, operator: Caller, lab: Lab
) -> None:
    lab.inventory.replace(lab.rasps)
    answer = ask(client, "POST", "rasps/swap", operator, 200, {"ids": [3, 4]})
    assert (answer["state"], answer["kind"], answer["trouble"]) == ("done", "swap", "")
    macs = {(rasp.stack, rasp.slot): rasp.mac for rasp in lab.known}
    assert macs[2, 1] == "b8:27:eb:23:02:02"
    assert macs[2, 2] == "b8:27:eb:23:02:01"
    address = lab.rack.stack(2).slots[0].address
    assert f"ethernet {macs[2, 1]}; fixed-address {address};" in lab.conf.read_text()
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
    client: FlaskClient, operator: Caller, ids: list[int], status: int, why: str
) -> None:
    assert why in ask(client, "POST", "rasps/swap", operator, status, {"ids": ids})["detail"]
    assert ask(client, "GET", "installation", {}, 200)["state"] == "none"
