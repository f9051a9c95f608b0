"""The rack page is rendered again after each change that it shows, and only then."""

import random
import re
from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from controller.auth.access_control import SESSION_COOKIE, AccessControl
from controller.pages.displayed_state import DisplayedStates, displayed_state
from controller.pages.theme import THEME_COOKIE
from controller.reservations.service import ReservationService
from controller.state.model import (
    OutletState,
    PowerState,
    RackState,
    RaspOperation,
    RaspState,
    RaspStatus,
    StackState,
    TemperatureLevel,
)
from tests.controller.fake_alertmanager import AlertJson, active_alert
from tests.controller.fakes import LOOPBACK_RACK, FakeRackState
from tests.controller.http_client import add_users, create_session
from tests.helpers.waiting import wait_until

COLORS = ["temperature", "cpu", "memory", "power", "watts"]
UPDATE = {"Prefer": "return=minimal"}


class GivenRackState(FakeRackState):
    """State of a rack that a test gives."""

    given: RackState | None = None

    def read(self) -> RackState:
        return self.given or super().read()


@pytest.fixture
def rack_state() -> GivenRackState:
    return GivenRackState(LOOPBACK_RACK)


def random_rasp(rasp: RaspState, celsius: float, choose: random.Random) -> RaspState:
    """Return a rasp with random values. `celsius` is its temperature, if it is known."""

    def maybe(value: Any) -> Any:
        return choose.choice([None, value])

    conditions = [None, frozenset(), frozenset({"throttled"}), frozenset({"under_voltage", "x"})]
    state = choose.choice(list(RaspStatus))
    return replace(
        rasp,
        state=state,
        reason=choose.choice(["", "neither the rasp nor its exporter answers"]),
        operation=maybe(choose.choice(list(RaspOperation))),
        last_seen_at=maybe(1_795_900_000.0 + choose.randrange(100_000)),
        last_temperature_celsius=maybe(choose.uniform(20, 90)),
        temperature_level=maybe(choose.choice(list(TemperatureLevel))),
        temperature_celsius=maybe(celsius),
        load1=maybe(choose.uniform(0, 4)),
        cpu_busy_cores=maybe(choose.uniform(0, 4)),
        memory_available_bytes=maybe(choose.uniform(1e8, 9e8)),
        memory_total_bytes=maybe(969e6),
        conditions=choose.choice(conditions),
        conditions_since_boot=choose.choice(conditions),
        boot_time_seconds=maybe(choose.uniform(1e9, 2e9)),
        uptime_seconds=maybe(choose.uniform(0, 1e6)),
        clock_offset_seconds=maybe(choose.uniform(-100, 100)),
        is_clock_off=maybe(choose.choice([True, False])),
        answers_ping=maybe(choose.choice([True, False])),
        pinged_at=maybe(choose.uniform(1e9, 2e9)),
        power=choose.choice(list(PowerState)),
        outlet=maybe(random_outlet(rasp, choose)),
        is_installed=choose.choice([True, False]),
    )


def random_outlet(rasp: RaspState, choose: random.Random) -> OutletState:
    stack = LOOPBACK_RACK.stack(rasp.slot.stack)
    return OutletState(
        stack.outlet_of(rasp.slot),
        power=choose.choice(list(PowerState)),
        observed=choose.choice(list(PowerState)),
        watts=choose.choice([None, choose.uniform(0, 9)]),
        energy_joules=choose.choice([None, choose.uniform(0, 9e6)]),
        detail=choose.choice(["", "class 3"]),
        error=choose.choice(["", "17: no reply within 5 s"]),
        mismatch=choose.choice(["", "switched on, but no rasp responds"]),
        differs=choose.choice([True, False]),
    )


def random_state(seed: int) -> RackState:
    choose = random.Random(seed)
    state = FakeRackState(LOOPBACK_RACK).read()
    # The hottest rasp is the first one of those that are shown with the highest temperature.
    degrees = iter(choose.sample(range(20, 90), len(state.rasps)))

    def stack_with_random_values(stack: StackState) -> StackState:
        rasps = tuple(
            random_rasp(rasp, next(degrees) + choose.uniform(-0.49, 0.49), choose)
            for rasp in stack.rasps
        )
        return replace(
            stack,
            power=choose.choice(list(PowerState)),
            rasps=rasps,
            observed=choose.choice(list(PowerState)),
            power_mismatch=choose.choice(["", "switched off, but 03-2 still respond"]),
            outlet_differs=choose.choice([True, False]),
            reserved_by=choose.choice(["", "order 12: power_off"]),
            outlets=(random_outlet(stack.rasps[0], choose),),
        )

    stacks = tuple(map(stack_with_random_values, state.stacks))
    return RackState(state.rack, stacks, choose.choice(["", "", "Prometheus cannot be reached"]))


def test_random_states_contain_each_field() -> None:
    """A new field must be in the random states, or the next test does not cover it."""
    states = [random_state(seed) for seed in range(10)]
    seen: dict[type, dict[str, set[Any]]] = {RaspState: {}, StackState: {}, OutletState: {}}
    for state in states:
        stacks = state.stacks
        outlets = [outlet for stack in stacks for outlet in stack.outlets]
        shown: list[RaspState | StackState | OutletState] = [*state.rasps, *stacks, *outlets]
        for each in shown:
            for field in fields(each):
                seen[type(each)].setdefault(field.name, set()).add(str(getattr(each, field.name)))
    constant = {
        f"{kind.__name__}.{name}"
        for kind, values in seen.items()
        for name, texts in values.items()
        if len(texts) < 2
    }
    assert constant == set()


@pytest.mark.parametrize("color", COLORS)
def test_page_shows_the_same_from_the_displayed_state(
    app: Flask, rack_state: GivenRackState, monkeypatch: pytest.MonkeyPatch, color: str
) -> None:
    client = app.test_client()
    for seed in range(4):
        rack_state.given = random_state(seed)
        displayed = client.get(f"/?color={color}", headers=UPDATE).text
        with monkeypatch.context() as patch:
            patch.setattr(DisplayedStates, "get", lambda _, state, color: state)
            complete = client.get(f"/?color={color}&complete", headers=UPDATE).text
        assert complete.replace("&amp;complete", "").replace("&complete", "") == displayed


Change = Callable[[FakeRackState], object]

SHOWN: dict[str, Change] = {
    "a rasp is down": lambda rack: rack.state_values.update({"03-2": 0.0}),
    "a rasp is off": lambda rack: rack.state_values.update({"03-2": 4.0}),
    "a rasp is warm": lambda rack: rack.state_values.update({"03-2": 2.0}),
    "a state is unknown": lambda rack: rack.state_values.pop("03-2"),
    "a temperature changes": lambda rack: rack.temperatures.update({"03-2": 49.0}),
    "a temperature is unknown": lambda rack: rack.temperatures.pop("03-2"),
    "a condition begins": lambda rack: rack.conditions.update({"03-2": "throttled"}),
    "an order begins": lambda rack: rack.operations.update({10: RaspOperation.WAITING}),
    "a power differs": lambda rack: rack.power_mismatches.update({3: "still responds"}),
    "Prometheus is unavailable": lambda rack: setattr(rack, "error", "Prometheus is gone"),
}
NOT_SHOWN: dict[str, Change] = {
    "nothing changes": lambda _: None,
    "a temperature changes within a degree": lambda rack: rack.temperatures.update({"03-2": 48.2}),
    "an uptime changes": lambda rack: rack.uptimes.update({"03-2": 4000.0}),
    "a boot time is known": lambda rack: rack.boot_times.update({"03-2": 1e9}),
    "another quantity changes": lambda rack: rack.cpu_busy_cores.update({"03-2": 2.0}),
    "available memory changes": lambda rack: rack.memory_available.update({"03-2": 1e8}),
    "a clock is off": lambda rack: rack.clock_offsets.update({"03-2": 60.0}),
}


@pytest.fixture
def measured(rack_state: FakeRackState) -> FakeRackState:
    rack_state.temperatures = dict.fromkeys(rack_state.state_values, 48.0)
    return rack_state


@pytest.mark.parametrize("name", SHOWN)
def test_page_is_sent_again_if(client: FlaskClient, measured: FakeRackState, name: str) -> None:
    first = client.get("/", headers=UPDATE)
    SHOWN[name](measured)
    changed = client.get("/", headers={**UPDATE, "If-None-Match": first.headers["ETag"]})
    assert changed.status_code == 200
    assert changed.text != first.text


@pytest.mark.parametrize("name", NOT_SHOWN)
def test_page_is_not_sent_again_if(client: FlaskClient, measured: FakeRackState, name: str) -> None:
    etag = client.get("/", headers=UPDATE).headers["ETag"]
    NOT_SHOWN[name](measured)
    again = client.get("/", headers={**UPDATE, "If-None-Match": etag})
    assert (again.status_code, again.data) == (304, b"")
    assert displayed_state(measured.read(), "temperature").rasps[9].uptime_seconds is None


@pytest.mark.parametrize("name", NOT_SHOWN)
def test_states_that_are_displayed_the_same_have_the_same_object(
    measured: FakeRackState, name: str
) -> None:
    states = DisplayedStates()
    first = states.get(measured.read(), "temperature")
    NOT_SHOWN[name](measured)
    changed = measured.read()
    states.prepare(changed)
    assert states.get(changed, "temperature") is first


@pytest.mark.parametrize("name", SHOWN)
def test_prepared_state_is_displayed_as_without_preparation(
    measured: FakeRackState, name: str
) -> None:
    states = DisplayedStates()
    first = states.get(measured.read(), "temperature")
    SHOWN[name](measured)
    changed = measured.read()
    states.prepare(changed)
    assert states.get(changed, "temperature") == displayed_state(changed, "temperature") != first


def test_quantity_of_the_colors_is_shown(client: FlaskClient, measured: FakeRackState) -> None:
    measured.cpu_busy_cores = {"03-2": 1.0}
    etag = client.get("/?color=cpu", headers=UPDATE).headers["ETag"]
    measured.cpu_busy_cores = {"03-2": 1.04}
    headers = {**UPDATE, "If-None-Match": etag}
    assert client.get("/?color=cpu", headers=headers).status_code == 304
    measured.cpu_busy_cores = {"03-2": 1.1}
    assert client.get("/?color=cpu", headers=headers).status_code == 200


def test_page_is_sent_again_after_a_reservation(
    client: FlaskClient, reservations: ReservationService
) -> None:
    etag = client.get("/", headers=UPDATE).headers["ETag"]
    reservations.reserve("otto", "3", 1200)
    changed = client.get("/", headers={**UPDATE, "If-None-Match": etag})
    assert (changed.status_code, "<b>otto</b>" in changed.text) == (200, True)


def test_page_is_sent_again_after_an_alert(
    client: FlaskClient, active_alerts: list[AlertJson]
) -> None:
    etag = client.get("/", headers=UPDATE).headers["ETag"]
    active_alerts.append(active_alert("PiRackRaspDown", summary="03-2 is down", rasp="03-2"))

    def is_shown() -> bool:  # the pages show the alerts of the last two seconds
        changed = client.get("/", headers={**UPDATE, "If-None-Match": etag})
        return changed.status_code == 200 and "03-2 is down" in changed.text

    wait_until(is_shown)


def test_page_depends_on_the_user_and_the_theme(app: Flask, access: AccessControl) -> None:
    add_users(access)
    client = app.test_client()
    etags = [client.get("/").headers["ETag"]]
    for name in ("vera", "otto", "otto"):
        client.set_cookie(SESSION_COOKIE, create_session(access, name))
        changed = client.get("/", headers={"If-None-Match": etags[-1]})
        assert (changed.status_code, f">{name}</a>" in changed.text) == (200, True)
        token = re.search(r'name="csrf_token" value="([^"]*)"', changed.text)
        assert token is not None
        etags.append(changed.headers["ETag"])
    client.set_cookie(THEME_COOKIE, "dark")
    changed = client.get("/", headers={"If-None-Match": etags[-1]})
    assert (changed.status_code, 'data-bs-theme="dark"' in changed.text) == (200, True)
    assert len(set(etags)) == 4
