"""Installs of the controller over the API, on a loopback rack."""

import threading
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import asyncssh
import pytest
from asyncssh import DEFAULT_PORT
from flask.testing import FlaskClient
from prometheus_client import CollectorRegistry, generate_latest

from controller.auth.access_control import AccessControl
from controller.auth.roles import Role
from controller.claims import StackClaims
from controller.errors import StackBusyError
from controller.installation import metrics
from controller.installation.rasp_ssh import RaspSsh
from controller.installation.service import InstallService, Requester
from controller.ssh.host_keys import HostKeys
from dhcp_installer.dhcpd.config_file import DhcpConfigFile
from dhcp_installer.dhcpd.renderer import DhcpdRenderer
from dhcp_installer.dhcpd.server import AutoReloadServer
from dhcp_installer.install.journal import InstallKind, InstallState
from tests.dhcp_installer.install_fixture import (
    CUT_SECONDS,
    LONG_CUT_SECONDS,
    REPLACE_TIMEOUT,
    InstallFixture,
    running_fixture,
)
from tests.helpers.stack_relays import StackRelays
from tests.helpers.waiting import TIMEOUT_SECONDS, wait_until
from virtual_rack.faults import Fault

UNMANAGED_CONFIG = "# ours\n"
Headers = Mapping[str, str]


@pytest.fixture
def lab(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[InstallFixture]:
    """Return a fixture. Its optional parameter is the time of a cut."""
    with running_fixture(tmp_path, cut_seconds=getattr(request, "param", CUT_SECONDS)) as lab:
        lab.config_path.write_text(UNMANAGED_CONFIG)
        yield lab


@pytest.fixture
def access(lab: InstallFixture) -> AccessControl:
    return AccessControl(lab.database, anonymous="viewer")


@pytest.fixture
def claims() -> StackClaims:
    return StackClaims()


@pytest.fixture
def relays(lab: InstallFixture) -> StackRelays:
    return lab.relays


@pytest.fixture
def installation(
    lab: InstallFixture, relays: StackRelays, access: AccessControl, claims: StackClaims
) -> Iterator[InstallService]:
    installation = InstallService(lab.dependencies(outlets=relays.outlets), claims, access.audit)
    yield installation
    installation.close()


@pytest.fixture
def operator_headers(access: AccessControl) -> Headers:
    return {"Authorization": f"Bearer {access.tokens.add('tester', Role.OPERATOR)}"}


@pytest.fixture
def client(client: FlaskClient, operator_headers: Headers) -> FlaskClient:
    """Client that is an operator in requests without other headers."""
    client.environ_base["HTTP_AUTHORIZATION"] = operator_headers["Authorization"]
    return client


def call_api(
    client: FlaskClient, method: str, path: str, headers: Headers, status: int, body: Any = None
) -> Any:
    response = client.open(f"/api/v1.0/{path}", method=method, headers=dict(headers), json=body)
    assert response.status_code == status, response.text
    return response.json


def wait_until_finished(client: FlaskClient) -> Any:
    """Wait until no install is running. Return the last install."""

    def latest() -> Any:
        return call_api(client, "GET", "installation", {}, 200)

    wait_until(lambda: latest()["state"] not in {"running", "stopping"})
    return latest()


def test_state_is_none_before_first_install(client: FlaskClient) -> None:
    response = call_api(client, "GET", "installation", {}, 200)
    assert (response["state"], response["id"], response["steps"]) == ("none", None, [])
    assert call_api(client, "GET", "installations", {}, 200) == []


def test_install_finishes_and_updates_inventory(
    client: FlaskClient, lab: InstallFixture, operator_headers: Headers, access: AccessControl
) -> None:
    started = call_api(client, "POST", "installation", operator_headers, 202, {"strategy": "cut"})
    assert [started[name] for name in ("state", "actor", "kind")] == [
        "running", "token:tester", "install",
    ]  # fmt: skip
    done = wait_until_finished(client)
    assert (done["state"], done["error"], done["id"]) == ("done", "", started["id"])
    assert (done["stacks_done"], done["rasps_found"], done["missing"]) == (2, 4, {})
    assert done["found"]["2"] == ["b8:27:eb:23:02:01", "b8:27:eb:23:02:02"]
    assert "4 of 4 rasps reply at their addresses" in [step["text"] for step in done["steps"]]
    assert "+host rasp-01-1" in done["diff"]
    assert lab.known_rasps == lab.rasps
    assert call_api(client, "GET", f"installations/{done['id']}", {}, 200) == done
    call_api(client, "GET", f"installations/{done['id'] + 1}", {}, 404)
    [summary] = call_api(client, "GET", "installations", {}, 200)
    assert summary.items() <= done.items()
    assert not {"steps", "diff", "found"} & summary.keys()
    event = access.audit.list_recent(1)[0].event
    assert (event.actor, event.action, event.targets, event.result) == (
        "token:tester", "install cut", "all stacks", "ok",
    )  # fmt: skip


def test_running_install_reserves_all_stacks_and_rejects_another(
    client: FlaskClient, operator_headers: Headers, claims: StackClaims, lab: InstallFixture
) -> None:
    lab.allow_cuts.clear()
    call_api(client, "POST", "installation", operator_headers, 202, {})
    assert claims.holders() == dict.fromkeys((1, 2), "install of token:tester")
    with pytest.raises(StackBusyError):
        claims.claim([2], "an order")
    problem = call_api(client, "POST", "installation", operator_headers, 409, {})
    assert "wait until it finishes, or stop it" in problem["detail"]
    lab.allow_cuts.set()
    assert wait_until_finished(client)["state"] == "done"
    wait_until(lambda: claims.holders() == {})


def test_install_is_rejected_while_order_reserves_stack(
    client: FlaskClient, operator_headers: Headers, claims: StackClaims, lab: InstallFixture
) -> None:
    with claims.claim([2], "order 12: power_off"):
        problem = call_api(client, "POST", "installation", operator_headers, 409, {})
    assert "stack 2 is busy with order 12" in problem["detail"]
    assert call_api(client, "GET", "installation", {}, 200)["state"] == "none"


def test_viewer_can_neither_read_nor_start_installs(
    client: FlaskClient, access: AccessControl
) -> None:
    viewer = {"Authorization": f"Bearer {access.tokens.add('viewer', Role.VIEWER)}"}
    call_api(client, "GET", "installation", viewer, 403)
    for method, path, body in (
        ("POST", "installation", {}),
        ("DELETE", "installation", None),
        ("POST", "rasps/1/replace", {}),
        ("POST", "rasps/swap", {"ids": [1, 2]}),
    ):
        call_api(client, method, path, viewer, 403, body)


def test_dry_run_returns_diff_and_starts_nothing(
    client: FlaskClient, operator_headers: Headers, lab: InstallFixture
) -> None:
    lab.inventory.replace(lab.rasps)
    response = call_api(client, "POST", "installation", operator_headers, 200, {"dry_run": True})
    assert (response["state"], response["dry_run"], response["id"]) == ("done", True, None)
    assert "+host rasp-01-1" in response["diff"]
    assert lab.config_path.read_text() == UNMANAGED_CONFIG
    assert call_api(client, "GET", "installation", {}, 200)["state"] == "none"


def test_dry_run_reports_conflicting_configuration(
    client: FlaskClient, operator_headers: Headers, lab: InstallFixture
) -> None:
    lab.config_path.write_text(f"subnet {lab.network}.0.0 netmask 255.255.0.0 {{ }}\n")
    response = call_api(client, "POST", "installation", operator_headers, 409, {"dry_run": True})
    assert "overlaps" in response["detail"]


@pytest.mark.parametrize("lab", [LONG_CUT_SECONDS], indirect=True)
def test_stop_restores_power_and_configuration(
    client: FlaskClient, operator_headers: Headers, lab: InstallFixture, relays: StackRelays
) -> None:
    relays.off(2)
    call_api(client, "POST", "installation", operator_headers, 202, {})
    wait_until(lambda: call_api(client, "GET", "installation", {}, 200)["stage"] == "discover")
    assert call_api(client, "DELETE", "installation", operator_headers, 202)["state"] == "stopping"
    stopped = wait_until_finished(client)
    assert (stopped["state"], stopped["error"]) == ("stopped", "")
    assert lab.power == [True, False]
    assert lab.config_path.read_text() == UNMANAGED_CONFIG
    call_api(client, "DELETE", "installation", operator_headers, 409)


def create_interrupted_install(lab: InstallFixture, *, has_assignment: bool) -> int:
    """Create the state that a killed controller leaves. Return the id of the install."""
    dependencies = lab.dependencies()
    install_id = dependencies.journal.create(InstallKind.INSTALL, "cut", "alice", lab.config_path)
    dependencies.journal.record_config_write(install_id, lab.config_path.read_text())
    dependencies.configuration.activate(dependencies.configuration.render([], lease_seconds=60))
    dependencies.outlets.switch({lab.rack.outlet(1): False}, installing=True)
    if has_assignment:
        dependencies.journal.record_assignment(install_id, lab.rasps)
    return install_id


@pytest.mark.parametrize("has_assignment", [False, True])
def test_interrupted_install_is_recovered_on_request_only(
    lab: InstallFixture, access: AccessControl, has_assignment: bool
) -> None:
    install_id = create_interrupted_install(lab, has_assignment=has_assignment)
    installation = InstallService(lab.dependencies(), StackClaims(), access.audit)
    latest = installation.latest()
    assert latest is not None
    assert (latest.state, latest.id, latest.finished_at) == (
        InstallState.INTERRUPTED,
        install_id,
        None,
    )
    assert lab.power == [False, True]
    assert metric_value(installation, "pirack_install_unfinished") == 1
    installation.stop(Requester("bob"))
    wait_until(lambda: not installation.is_running)
    latest = installation.latest()
    assert latest is not None
    assert latest.state is InstallState.STOPPED
    assert latest.finished_at is not None
    assert lab.power == [True, True]
    assert lab.known_rasps == (lab.rasps if has_assignment else [])
    assert ("rasp-01-1" in lab.config_path.read_text()) == has_assignment
    assert lab.config_path.read_text().startswith(UNMANAGED_CONFIG)
    assert metric_value(installation, "pirack_install_unfinished") == 0


def test_recovery_moves_host_keys_to_the_new_addresses(
    lab: InstallFixture, access: AccessControl, tmp_path: Path
) -> None:
    one, other, *rest = lab.rasps
    swapped = [replace(one, mac=other.mac), replace(other, mac=one.mac)]
    keys = {
        rasp: asyncssh.generate_private_key("ssh-ed25519").convert_to_public() for rasp in swapped
    }
    HostKeys(tmp_path / "ssh", DEFAULT_PORT).replace_keys(keys)
    lab.inventory.replace([*swapped, *rest])
    create_interrupted_install(lab, has_assignment=True)
    dependencies = replace(
        lab.dependencies(), move_host_keys=RaspSsh(tmp_path / "ssh", DEFAULT_PORT).move_host_keys
    )
    installation = InstallService(dependencies, StackClaims(), access.audit)
    installation.stop(Requester("bob"))
    wait_until(lambda: not installation.is_running)
    host_keys = HostKeys(tmp_path / "ssh", DEFAULT_PORT)
    for rasp in (one, other):
        [key] = [keys[previous] for previous in swapped if previous.mac == rasp.mac]
        assert [pinned.key for pinned in host_keys.for_address(rasp.address)] == [key]


def test_next_install_recovers_interrupted_install(
    lab: InstallFixture, access: AccessControl, client: FlaskClient, operator_headers: Headers
) -> None:
    install_id = create_interrupted_install(lab, has_assignment=False)
    lab.dependencies().journal.mark_interrupted()
    call_api(client, "POST", "installation", operator_headers, 202, {})
    done = wait_until_finished(client)
    assert done["state"] == "done"
    assert done["steps"][0]["text"].startswith(f"install {install_id} was interrupted")
    assert lab.known_rasps == lab.rasps


@pytest.mark.parametrize("lab", [LONG_CUT_SECONDS], indirect=True)
def test_close_stops_running_install(lab: InstallFixture, installation: InstallService) -> None:
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


def test_metrics_contain_progress(installation: InstallService, lab: InstallFixture) -> None:
    lab.allow_cuts.clear()
    names = ("running", "unfinished", "stacks_done", "rasps_found")
    assert [metric_value(installation, f"pirack_install_{name}") for name in names] == [0, 0, 0, 0]
    installation.start("cut", Requester("alice"))
    assert metric_value(installation, "pirack_install_running") == 1
    lab.allow_cuts.set()
    wait_until(lambda: not installation.is_running)
    assert [metric_value(installation, f"pirack_install_{name}") for name in names] == [0, 0, 2, 4]


def replace_mac_in_inventory(lab: InstallFixture) -> str:
    """Store and return a MAC address for slot 2/1 that differs from its board's address."""
    old_mac = "b8:27:eb:ff:ff:01"
    lab.inventory.replace(
        replace(rasp, mac=old_mac) if rasp == lab.rasps[2] else rasp for rasp in lab.rasps
    )
    return old_mac


@pytest.mark.parametrize("power", ["on", "off"])
def test_replacement_gets_name_and_address_of_old_board(
    client: FlaskClient,
    operator_headers: Headers,
    lab: InstallFixture,
    relays: StackRelays,
    power: str,
) -> None:
    old_mac = replace_mac_in_inventory(lab)
    if power == "off":
        relays.off(2)
    started = call_api(client, "POST", "rasps/02-1/replace", operator_headers, 202, {})
    assert started["kind"] == "replace"
    if power == "on":  # the board is detected when it boots
        wait_until(lambda: call_api(client, "GET", "installation", {}, 200)["stage"] == "wait")
        lab.inject_fault(2, 1, Fault.REBOOT_ONCE)
    done = wait_until_finished(client)
    assert (done["state"], done["error"]) == ("done", ""), done
    assert "b8:27:eb:23:02:01 is the new board of slot 02-1" in [s["text"] for s in done["steps"]]
    assert lab.known_rasps == lab.rasps
    assert old_mac not in lab.config_path.read_text()
    assert lab.power == [True, True]


@pytest.mark.parametrize("strategy", ["cut", "one-by-one"])
def test_replacement_ignores_rasps_of_other_stacks(
    client: FlaskClient,
    operator_headers: Headers,
    lab: InstallFixture,
    relays: StackRelays,
    strategy: str,
) -> None:
    other_rasp = lab.rasps[0]
    replace_mac_in_inventory(lab)
    relays.off(2)
    finished = threading.Event()

    def renew_lease() -> None:
        while not finished.wait(0.02):
            with lab.log_path.open("a") as log:
                log.write(f"DHCPREQUEST for {other_rasp.address} from {other_rasp.mac} via lo\n")

    thread = threading.Thread(target=renew_lease)
    thread.start()
    call_api(client, "POST", "rasps/3/replace", operator_headers, 202, {"strategy": strategy})
    done = wait_until_finished(client)
    finished.set()
    thread.join()
    assert (done["state"], done["error"]) == ("done", ""), done
    assert lab.known_rasps == lab.rasps


def test_replacement_without_new_board_fails_and_changes_nothing(
    client: FlaskClient, operator_headers: Headers, lab: InstallFixture
) -> None:
    lab.inventory.replace(lab.rasps)
    call_api(client, "POST", "rasps/02-1/replace", operator_headers, 202, {})
    wait_until(lambda: call_api(client, "GET", "installation", {}, 200)["stage"] == "wait")

    def has_failed_later() -> bool:
        lab.clock.advance(REPLACE_TIMEOUT)
        return bool(call_api(client, "GET", "installation", {}, 200)["state"] == "failed")

    wait_until(has_failed_later)
    failed = wait_until_finished(client)
    assert failed["state"] == "failed"
    assert f"no new board requested an address within {REPLACE_TIMEOUT:.0f} s" in failed["error"]
    assert lab.known_rasps == lab.rasps
    assert lab.config_path.read_text() == UNMANAGED_CONFIG


def test_swap_exchanges_slots_of_two_rasps(
    client: FlaskClient, operator_headers: Headers, lab: InstallFixture
) -> None:
    lab.inventory.replace(lab.rasps)
    response = call_api(client, "POST", "rasps/swap", operator_headers, 200, {"ids": [3, "02-2"]})
    assert (response["state"], response["kind"], response["error"]) == ("done", "swap", "")
    macs = {(rasp.stack, rasp.slot): rasp.mac for rasp in lab.known_rasps}
    assert macs[2, 1] == "b8:27:eb:23:02:02"
    assert macs[2, 2] == "b8:27:eb:23:02:01"
    address = lab.rack.stack(2).slots[0].address
    assert f"ethernet {macs[2, 1]}; fixed-address {address};" in lab.config_path.read_text()
    assert lab.power == [True, True]
    activity = call_api(client, "GET", "activity?kind=replacement", operator_headers, 200)
    [event] = activity["events"]
    assert (event["text"], event["rasps"]) == ("swap 1: done, 02-1 and 02-2", ["02-1", "02-2"])


class SlowServer(AutoReloadServer):
    """A DHCP server whose restart ends when the test allows it."""

    def __init__(self) -> None:
        super().__init__()
        self.may_end = threading.Event()

    def restart(self) -> None:
        assert self.may_end.wait(TIMEOUT_SECONDS)


def test_swap_with_a_slowly_restarting_server_is_returned_while_it_runs(
    lab: InstallFixture, access: AccessControl
) -> None:
    lab.inventory.replace(lab.rasps)
    server = SlowServer()
    configuration = DhcpConfigFile(
        lab.config_path, DhcpdRenderer(lab.rack, lab.config_path), server
    )
    installation = InstallService(
        lab.dependencies(configuration=configuration),
        StackClaims(),
        access.audit,
        swap_seconds=0.1,
    )
    one, other = lab.rack.stack(2).slots
    try:
        record = installation.swap(one, other, Requester("bob"))
        assert (record.state, record.finished_at) == (InstallState.RUNNING, None)
    finally:
        server.may_end.set()
        installation.close()
    assert installation.get(record.id).state is InstallState.DONE


@pytest.mark.parametrize(
    ("ids", "status", "reason"),
    [
        ([1, 3], 422, "are in different stacks"),
        ([1, 99], 404, "no rasp 99"),
        ([1], 422, "ids"),
        ([1, 2], 422, "slots 01-1 and 01-2 are empty"),
    ],
)
def test_invalid_swap_is_rejected_with_reason(
    client: FlaskClient, operator_headers: Headers, ids: list[int], status: int, reason: str
) -> None:
    problem = call_api(client, "POST", "rasps/swap", operator_headers, status, {"ids": ids})
    assert reason in problem["detail"]
    assert call_api(client, "GET", "installation", {}, 200)["state"] == "none"
