"""Virtual PoE switch, used with the programs of Net-SNMP."""

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.helpers.waiting import TIMEOUT_SECONDS, wait_until
from tools.programs import find
from virtual_rack.faults import Fault
from virtual_rack.outlets.device import SLOW_SECONDS
from virtual_rack.outlets.poe_switch import PoeSwitch, SnmpCredentials

pytestmark = pytest.mark.process

ADMIN = "1.3.6.1.2.1.105.1.1.1.3"
STATUS = "1.3.6.1.2.1.105.1.1.1.6"
MILLIWATTS = "1.3.6.1.4.1.9.9.402.1.2.1.9"
ON, OFF = "1", "2"
CREDENTIALS = SnmpCredentials()
V2C = ["-v2c", "-c", CREDENTIALS.community]
V3 = [
    *("-v3", "-l", "authPriv", "-u", CREDENTIALS.user, "-a", "SHA-256", "-x", "AES"),
    *("-A", CREDENTIALS.auth_password, "-X", CREDENTIALS.privacy_password),
]


@pytest.fixture(scope="module")
def shared_switch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PoeSwitch]:
    with PoeSwitch(["1", "2", "2.1"], tmp_path_factory.mktemp("switch")) as running:
        yield running


@pytest.fixture
def switch(shared_switch: PoeSwitch) -> PoeSwitch:
    """A switch without faults whose ports are on."""
    shared_switch.clear_fault()
    for port in shared_switch.outlets.addresses:
        shared_switch.outlets.set(port, power=True)
    return shared_switch


def run(
    program: str, switch: PoeSwitch, login: list[str], *arguments: str, seconds: float = 30
) -> str:
    """Return the output of a program of Net-SNMP, with its errors and without the OIDs."""
    found = find(program)
    (switch.folder / "cert_indexes").mkdir(exist_ok=True)  # else the program reports its creation
    options = ["-Oqv" if program == "snmpget" else "-Oqn", "-r0", f"-t{seconds:g}"]
    result = subprocess.run(
        [*found.command, *login, *options, f"udp:{switch.host}:{switch.port}", *arguments],
        env=found.environment | {"MIBS": "", "SNMP_PERSISTENT_DIR": str(switch.folder)},
        capture_output=True,
        text=True,
        timeout=TIMEOUT_SECONDS,
        check=False,
    )
    return (result.stdout + result.stderr).strip()


def get(switch: PoeSwitch, oid: str, login: list[str] = V2C) -> str:
    return run("snmpget", switch, login, oid)


def set_port(switch: PoeSwitch, port: str, value: str, login: list[str] = V2C) -> str:
    return run("snmpset", switch, login, f"{ADMIN}.{port}", "i", value)


@pytest.mark.parametrize("login", [V2C, V3], ids=["v2c", "v3"])
def test_port_is_switched_off_and_on(switch: PoeSwitch, login: list[str]) -> None:
    assert get(switch, f"{ADMIN}.1.2", login) == ON
    set_port(switch, "1.2", OFF, login)
    assert not switch.outlets.is_on("2")
    assert get(switch, f"{ADMIN}.1.2", login) == OFF
    assert get(switch, f"{STATUS}.1.2", login) == "1"  # disabled
    assert get(switch, f"{MILLIWATTS}.1.2", login) == "0"
    set_port(switch, "1.2", ON, login)
    assert switch.outlets.is_on("2")
    assert get(switch, f"{STATUS}.1.2", login) == "3"  # deliveringPower
    assert get(switch, f"{MILLIWATTS}.1.2", login) == "3000"


def test_ports_of_all_groups_are_listed(switch: PoeSwitch) -> None:
    switch.outlets.set("2", power=False)
    assert run("snmpwalk", switch, V2C, ADMIN).splitlines() == [
        f".{ADMIN}.1.1 {ON}",
        f".{ADMIN}.1.2 {OFF}",
        f".{ADMIN}.2.1 {ON}",
    ]


@pytest.mark.parametrize(
    ("oid", "kind", "value", "error"),
    [
        (f"{ADMIN}.1.1", "i", "3", "wrongValue"),
        (f"{ADMIN}.1.1", "s", "off", "wrongType"),
        (f"{STATUS}.1.1", "i", "1", "notWritable"),
    ],
)
def test_invalid_request_to_switch_is_rejected(
    switch: PoeSwitch, oid: str, kind: str, value: str, error: str
) -> None:
    assert f"Reason: {error}" in run("snmpset", switch, V2C, oid, kind, value)
    assert switch.outlets.is_on("1")


def test_community_for_reading_may_not_write(switch: PoeSwitch) -> None:
    reader = ["-v2c", "-c", CREDENTIALS.read_community]
    assert get(switch, f"{ADMIN}.1.1", reader) == ON
    assert "Reason: noAccess" in set_port(switch, "1.1", OFF, reader)
    assert switch.outlets.is_on("1")


def test_missing_port_is_reported(switch: PoeSwitch) -> None:
    assert "No Such Instance" in get(switch, f"{ADMIN}.1.9")


def test_refusing_port_reports_an_error_and_stays_on(switch: PoeSwitch) -> None:
    switch.inject_fault(Fault.OUTLET_REFUSES, ["1"])
    assert "Reason: (genError)" in set_port(switch, "1.1", OFF)
    set_port(switch, "1.2", OFF)
    assert [switch.outlets.is_on(port) for port in ("1", "2")] == [True, False]


def test_lying_port_accepts_and_stays_on(switch: PoeSwitch) -> None:
    switch.inject_fault(Fault.OUTLET_LIES, ["1"])
    assert "Reason" not in set_port(switch, "1.1", OFF)
    assert get(switch, f"{ADMIN}.1.1") == ON


def test_slow_switch_delays_its_replies(switch: PoeSwitch) -> None:
    switch.inject_fault(Fault.OUTLET_SLOW)
    started_at = time.monotonic()
    assert get(switch, f"{ADMIN}.1.1") == ON
    assert time.monotonic() - started_at >= SLOW_SECONDS


def test_switch_that_is_away_does_not_reply_and_switches_nothing(switch: PoeSwitch) -> None:
    switch.inject_fault(Fault.OUTLET_AWAY)
    output = run("snmpset", switch, V2C, f"{ADMIN}.1.1", "i", OFF, seconds=0.5)
    assert output.startswith("Timeout: No Response")
    switch.clear_fault(Fault.OUTLET_AWAY)
    assert get(switch, f"{ADMIN}.1.1") == ON


def test_switch_returns_after_a_restart_with_a_new_boot_counter(tmp_path: Path) -> None:
    engine_boots = "1.3.6.1.6.3.10.2.1.2.0"
    with PoeSwitch(["1"], tmp_path, restart_seconds=0.2) as switch:
        boots = int(get(switch, engine_boots, V3))
        switch.outlets.set("1", power=False)
        switch.inject_fault(Fault.OUTLET_RESTARTS)
        wait_until(lambda: not switch.is_away)
        assert int(get(switch, engine_boots, V3)) == boots + 1
        assert get(switch, f"{ADMIN}.1.1", V3) == OFF


def test_switch_with_other_credentials_rejects_its_own(tmp_path: Path) -> None:
    with PoeSwitch(["1"], tmp_path) as switch:
        switch.inject_fault(Fault.OUTLET_CREDENTIALS)
        community = run("snmpget", switch, V2C, f"{ADMIN}.1.1", seconds=0.5)
        assert community.startswith("Timeout: No Response")
        assert "Authentication failure" in get(switch, f"{ADMIN}.1.1", V3)
        switch.clear_fault()
        assert get(switch, f"{ADMIN}.1.1") == ON
        assert get(switch, f"{ADMIN}.1.1", V3) == ON


def test_user_without_privacy_password_needs_no_encryption(tmp_path: Path) -> None:
    credentials = SnmpCredentials(privacy_password="")
    login = ["-v3", "-l", "authNoPriv", "-u", credentials.user, "-a", "SHA-256"]
    login += ["-A", credentials.auth_password]
    with PoeSwitch(["1"], tmp_path, credentials=credentials) as switch:
        assert get(switch, f"{ADMIN}.1.1", login) == ON
