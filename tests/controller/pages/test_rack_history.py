"""The rack page at earlier times, and the lanes of the stacks."""

import html
import re
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

import pytest
from flask import Flask
from flask.testing import FlaskClient
from playwright.sync_api import Browser, Page, expect

from controller.activity.model import ActivityKind, Event
from controller.activity.reader import Activity
from controller.auth.access_control import SESSION_COOKIE, AccessControl
from controller.auth.roles import Role
from controller.installation.service import InstallService
from controller.orders.service import OrderService
from controller.pages import marks
from controller.pages.marks import MARK_KINDS, SHAPES, MarkReader, build_marks
from controller.pages.rack_history import build_lanes, build_ticks
from controller.pages.times import clock_time, local_datetime
from controller.reservations.service import ReservationService
from controller.state.history import RaspHistory
from controller.state.lanes import Lanes, LaneState, LaneStep, TimeWindow
from controller.state.model import RackState
from controller.state.moments import format_moment
from controller.state.prometheus import Prometheus
from tests.controller.conftest import OpenPage
from tests.controller.fakes import LOOPBACK_RACK, experiment_service_for
from tests.controller.http_client import add_users, create_session
from tests.controller.pages.test_accessibility import violations
from tests.controller.pages.test_order_pages import save_failed_order
from tests.controller.pages.test_rack_page import cell
from tests.controller.recorded_prometheus import RecordedPrometheus, recorded_prometheus
from tests.helpers.fake_clock import FakeClock
from tests.helpers.waiting import wait_until
from tests.virtual_rack.demo.test_demo import cell_text

WINDOW = TimeWindow(6000, 6120, 30)


@pytest.fixture
def recorded() -> Iterator[RecordedPrometheus]:
    """Samples in which 03-2 was down from 20 until 10 minutes ago."""
    now = time.time()
    samples = RecordedPrometheus(LOOPBACK_RACK, now - 1200, now - 600)
    with recorded_prometheus(samples) as recorded:
        yield recorded


@pytest.fixture
def prometheus(recorded: RecordedPrometheus) -> str:
    return recorded.url


@pytest.fixture
def during_the_fault(recorded: RecordedPrometheus) -> str:
    return format_moment((recorded.down_from + recorded.down_until) / 2)


def operator_page(app: Flask, access: AccessControl, path: str) -> str:
    add_users(access)
    client = app.test_client()
    client.set_cookie(SESSION_COOKIE, create_session(access, "otto"))
    return client.get(path).text


def visible_text(page: str) -> str:
    return " ".join(re.sub("<[^>]*>", " ", page).split())


@pytest.mark.process
class TestPage:
    def test_rack_is_shown_as_it_was(
        self, client: FlaskClient, recorded: RecordedPrometheus, during_the_fault: str
    ) -> None:
        assert cell_text(client.get("/").text, "03-2") == "– up"
        past = client.get(f"/?at={during_the_fault}").text
        assert cell_text(past, "03-2") == "– down"
        assert cell_text(past, "03-1") == "47 °C up"
        assert cell_text(past, "09-1") == "– off"
        healed = client.get(f"/?at={format_moment(recorded.down_until + 60)}").text
        assert cell_text(healed, "03-2") == "47 °C up"

    def test_banner_shows_the_time_and_leads_back_to_now(
        self, client: FlaskClient, during_the_fault: str
    ) -> None:
        page = client.get(f"/?at={during_the_fault}&span=6h&color=cpu").text
        local = datetime.fromisoformat(during_the_fault).astimezone()
        banner = rf"As it was on <time [^>]*>{local:%Y-%m-%d at %H:%M:%S %Z}, 1[5-9] min ago</time>"
        assert re.search(banner, page)
        assert '<a href="/?span=6h&amp;color=cpu">Back to now</a>' in page
        assert "data-refresh-seconds" not in page
        assert "http-equiv" not in page

    def test_past_has_no_controls_for_orders(
        self, app: Flask, access: AccessControl, during_the_fault: str
    ) -> None:
        past = operator_page(app, access, f"/?at={during_the_fault}")
        assert "No orders can be submitted in the past." in past
        controls = ("selection-form", "select-box", "select.js", "stack-menu", 'action="/orders"')
        for control in controls:
            assert control not in past

    def test_orders_with_a_time_are_rejected(
        self, client: FlaskClient, access: AccessControl, during_the_fault: str
    ) -> None:
        add_users(access)
        client.set_cookie(SESSION_COOKIE, create_session(access, "otto"))
        token = re.search(r'name="csrf_token" value="([^"]*)"', client.get("/").text)
        assert token is not None
        response = client.post(
            f"/api/v1.0/rasps/execute?at={during_the_fault}",
            json={"id": 10, "action": "ping"},
            headers={"X-CSRF-Token": html.unescape(token[1])},
        )
        assert response.status_code == 422, response.text

    @pytest.mark.parametrize(
        ("at", "status", "message"),
        [
            ("yesterday", 422, "&#39;yesterday&#39; is not a time"),
            ("2999-01-01T00:00:00Z", 404, "this time is in the future"),
            ("0001-01-01T00:00:00Z", 404, "this time is before 1970"),
        ],
    )
    def test_page_rejects_times_without_a_state(
        self, client: FlaskClient, at: str, status: int, message: str
    ) -> None:
        response = client.get(f"/?at={at}")
        assert response.status_code == status
        assert message in response.text

    def test_unchanged_page_of_the_past_is_answered_with_304(
        self, client: FlaskClient, during_the_fault: str
    ) -> None:
        def is_not_modified() -> bool:  # unless the text of its age changes in between
            first = client.get(f"/?at={during_the_fault}")
            etag = {"If-None-Match": first.headers["ETag"]}
            return client.get(f"/?at={during_the_fault}", headers=etag).status_code == 304

        wait_until(is_not_modified)

    def test_updates_contain_no_lanes(self, client: FlaskClient) -> None:
        update = client.get("/", headers={"Prefer": "return=minimal"})
        assert "Prefer" in update.headers["Vary"]
        assert '<section id="rack-history" data-keep></section>' in update.text
        assert 'class="lane"' not in update.text
        assert 'class="lane"' in client.get("/").text

    def test_tiles_have_sparklines_with_gaps(
        self, client: FlaskClient, during_the_fault: str
    ) -> None:
        page = client.get("/").text
        assert '<use href="#sparkline-10"/>' in page
        of_rasp = dict(re.findall(r'<symbol id="sparkline-(\d+)" [^>]*><path d="([^"]*)"', page))
        assert len(of_rasp) == 48
        assert [of_rasp["9"].count("M"), of_rasp["10"].count("M")] == [1, 2]
        assert client.get("/sparklines").text.strip() in page
        assert "sparkline" not in client.get("/?color=power").text.replace("sparklines.js", "")
        past = client.get(f"/?at={during_the_fault}").text
        assert "sparkline" not in past.replace("sparklines.js", "")

    def test_updates_keep_the_sparklines(self, client: FlaskClient) -> None:
        update = client.get("/", headers={"Prefer": "return=minimal"}).text
        assert '<use href="#sparkline-10"/>' in update
        assert '<div id="sparklines" data-keep hidden></div>' in update

    def test_card_shows_the_time_of_the_last_change(
        self, client: FlaskClient, recorded: RecordedPrometheus
    ) -> None:
        changed = datetime.fromtimestamp(int(recorded.down_until)).astimezone().isoformat()
        assert f'since <time datetime="{changed}"' in client.get("/rasps/10/card").text
        assert "since" not in client.get("/rasps/11/card").text

    def test_lane_describes_the_states_of_its_stack(self, client: FlaskClient) -> None:
        lanes = client.get("/lanes").text
        assert 'aria-label="Stack 03: up 50 min, partly down 10 min, at most 47 °C"' in lanes
        assert 'aria-label="Stack 09: off 60 min"' in lanes

    def test_issues_are_shown_as_they_were(
        self,
        app: Flask,
        client: FlaskClient,
        access: AccessControl,
        recorded: RecordedPrometheus,
    ) -> None:
        path = f"/?at={format_moment(recorded.alert_from + 60)}"
        firing = visible_text(operator_page(app, access, path))
        assert "1 down 4 off 1 issue hottest" in firing
        clock = clock_time(recorded.alert_from)
        assert f"Issues at that time 03-2 is down critical since {clock} 03-2 has not" in firing
        assert "Runbook of PiRackRaspDown" in firing
        assert "Power cycle" not in firing
        before = visible_text(client.get(f"/?at={format_moment(recorded.alert_from - 60)}").text)
        assert "1 down 4 off no issues hottest" in before
        assert "Issues at that time No issues." in before

    def test_marks_show_the_start_and_the_end_of_an_alert(
        self, client: FlaskClient, recorded: RecordedPrometheus
    ) -> None:
        lanes = client.get("/lanes").text
        start, end = (
            local_datetime(at).strftime("%H:%M:%S")
            for at in (recorded.alert_from, recorded.down_until)
        )
        assert f'aria-label="{start} 03-2 down"' in lanes
        assert f'aria-label="{end} 03-2 down, resolved"' in lanes
        assert lanes.count('class="mark mark-alert is-critical"') == 1
        assert lanes.count('class="mark mark-resolved"') == 1
        assert "end of an alert</li>" in lanes
        assert "experiment</li>" not in lanes

    def test_missing_marks_are_reported(
        self, client: FlaskClient, recorded: RecordedPrometheus, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert "Not shown" not in client.get("/lanes").text
        recorded.changes_since = recorded.alert_from
        monkeypatch.setattr(marks, "_MAX_EVENTS", 1)
        lanes = visible_text(client.get("/lanes?span=6h").text)
        assert re.search(r"Not shown: alert before 1[89] min ago \. Prometheus recorded no", lanes)
        clock = clock_time(recorded.alert_from)
        assert f"There are too many events to mark those until {clock} ." in lanes

    def test_marks_of_orders_are_for_operators(
        self, app: Flask, client: FlaskClient, access: AccessControl, orders: OrderService
    ) -> None:
        save_failed_order(orders, 7)
        order = orders.get(7)
        at = quote(datetime.fromtimestamp(order.started_at, UTC).isoformat())
        assert 'href="/orders/7"' in operator_page(app, access, f"/lanes?at={at}")
        assert 'href="/orders/7"' not in client.get(f"/lanes?at={at}").text

    def test_api_returns_the_state_at_a_time(
        self, client: FlaskClient, recorded: RecordedPrometheus, during_the_fault: str
    ) -> None:
        rack = client.get(f"/api/v1.0/rack?at={during_the_fault}").json
        assert rack is not None
        assert rack["states"] == {"up": 43, "down": 1, "off": 4, "unknown": 0}
        [issue] = rack["issues"]
        assert (issue["reason"], issue["rasps"], issue["order"]) == (
            "03-2 is down",
            ["03-2"],
            None,
        )
        assert issue["started_at"] == recorded.alert_from
        alerts = client.get(f"/api/v1.0/alerts?at={during_the_fault}").json
        assert alerts is not None
        assert (alerts["issues"], alerts["error"]) == ([issue], "")
        assert client.get("/api/v1.0/alerts?at=2999-01-01T00:00:00Z").status_code == 404
        rasps = client.get(f"/api/v1.0/rasps?state=down&at={during_the_fault}").json
        assert rasps is not None
        assert [rasp["name"] for rasp in rasps] == ["03-2"]
        assert client.get("/api/v1.0/rack?at=yesterday").status_code == 422
        assert client.get("/api/v1.0/rack?at=2999-01-01T00:00:00Z").status_code == 404


@pytest.mark.process
def test_arrow_keys_move_the_moment_and_escape_returns_to_now(
    open_page: OpenPage, access: AccessControl, recorded: RecordedPrometheus
) -> None:
    add_users(access)
    page = open_page(who="otto")
    expect(page.get_by_role("button", name="Run")).to_be_visible()
    slider = page.get_by_role("slider", name="Time of the rack")
    expect(slider).to_have_attribute("aria-valuetext", "now")
    slider.focus()
    for _ in range(3):
        page.keyboard.press("PageDown")
    expect(cell(page, "03-2")).to_have_text("03-2 – down")
    expect(page.get_by_role("region", name="Issues at that time")).to_contain_text("03-2 is down")
    expect(page.get_by_role("link", name="1 issue", exact=True)).to_be_visible()
    expect(page.get_by_role("button", name="Run")).to_have_count(0)
    expect(slider).to_have_attribute(
        "aria-valuetext", re.compile("As it was on .*, 1[5-9] min ago")
    )
    expect(slider).to_be_focused()
    assert "at=" in page.url
    page.keyboard.press("PageUp")
    page.keyboard.press("PageUp")
    expect(cell(page, "03-2")).to_have_text("03-2 47 °C up")
    expect(page.get_by_role("region", name="Issues at that time")).to_contain_text("No issues.")
    page.keyboard.press("Escape")
    expect(page.get_by_role("link", name="Back to now")).to_have_count(0)
    expect(page.get_by_role("button", name="Run")).to_be_visible()
    assert "at=" not in page.url


@pytest.mark.process
def test_replay_requests_at_most_eight_moments_per_second(
    open_page: OpenPage, recorded: RecordedPrometheus
) -> None:
    page = open_page()
    slider = page.get_by_role("slider", name="Time of the rack")
    slider.focus()
    page.keyboard.press("Home")
    expect(page.get_by_role("link", name="Back to now")).to_be_visible()
    started = time.monotonic()
    for _ in range(60):
        page.keyboard.press("ArrowRight")
    expect(page.get_by_text("As it was on")).to_contain_text(re.compile("3[0-9] min ago"))
    elapsed = time.monotonic() - started
    assert len([each for each in recorded.moments if each]) <= 8 * elapsed + 3
    page.keyboard.press(" ")
    expect(page.get_by_role("button", name="Replay", pressed=True)).to_be_visible()
    expect(cell(page, "03-2")).to_have_text("03-2 – down")
    page.keyboard.press(" ")
    expect(page.get_by_role("button", name="Replay", pressed=False)).to_be_visible()


@pytest.mark.process
def test_sparklines_are_updated_once_a_minute(
    browser: Browser, url: str, recorded: RecordedPrometheus
) -> None:
    page = browser.new_page()
    page.clock.install()
    page.goto(url)
    line = page.locator("#sparkline-1 path")
    expect(line).to_have_attribute("d", re.compile("^M0 16"))
    newer = '<div id="sparklines" hidden><svg><symbol id="sparkline-1"><path d="M0 7h0"/></symbol>'
    page.route("**/sparklines?*", lambda route: route.fulfill(body=newer, content_type="text/html"))
    page.clock.run_for(60_000)
    expect(line).to_have_attribute("d", "M0 7h0")
    page.close()


def drag_back(page: Page) -> None:
    box = page.get_by_role("slider", name="Time of the rack").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] - 20, box["y"] + 10)
    page.mouse.down()
    expect(page.get_by_text("As it was on")).to_be_visible()  # an update changes the page
    page.mouse.move(box["x"] + 0.75 * box["width"], box["y"] + 10, steps=5)
    page.mouse.up()


@pytest.mark.process
def test_dragging_on_the_lanes_moves_the_moment(open_page: OpenPage) -> None:
    page = open_page()
    drag_back(page)
    expect(cell(page, "03-2")).to_have_text("03-2 – down")
    expect(page.get_by_text("As it was on")).to_contain_text(re.compile("1[5-9] min ago"))


@pytest.mark.process
def test_moment_is_chosen_without_javascript(
    browser: Browser, url: str, recorded: RecordedPrometheus
) -> None:
    page = browser.new_page(java_script_enabled=False)
    page.goto(f"{url}/?at={format_moment(recorded.down_from - 300)}")
    expect(cell(page, "03-2")).to_have_text("03-2 47 °C up")
    during = datetime.fromtimestamp(recorded.down_from + 300).astimezone()
    page.get_by_label("Time (").fill(during.strftime("%Y-%m-%dT%H:%M:%S"))
    page.get_by_role("button", name="Show").click()
    expect(cell(page, "03-2")).to_have_text("03-2 – down")
    page.get_by_role("navigation", name="Time range").get_by_role("link", name="6h").click()
    expect(cell(page, "03-2")).to_have_text("03-2 – down")
    page.get_by_role("link", name="Earlier").click()
    page.get_by_role("link", name="Later").click()
    page.get_by_role("link", name=re.compile("^The rack at")).first.click()
    expect(page.get_by_text("As it was on")).to_contain_text("6 h ago")
    page.get_by_role("link", name="Back to now").click()
    expect(cell(page, "03-2")).to_have_text("03-2 – up")
    page.close()


@pytest.mark.process
@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 360)])
def test_page_of_the_past_is_accessible_and_fits_a_phone(
    open_page: OpenPage, during_the_fault: str, scheme: str, width: int
) -> None:
    page = open_page(f"/?at={during_the_fault}", scheme=scheme, width=width)
    expect(page.get_by_role("slider", name="Time of the rack")).to_be_visible()
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_lane_has_a_path_for_each_class() -> None:
    steps = (
        LaneStep(LaneState.UP, 52.0),
        LaneStep(LaneState.UP, 53.0),
        LaneStep(LaneState.PARTLY_DOWN),
        LaneStep(LaneState.UP, 52.0),
    )
    [lane] = build_lanes(Lanes(WINDOW, {"03": steps}))
    assert lane.paths == {
        "band-4": "M0 0h2v1h-2zM3 0h1v1h-1z",
        "lane-partly-down": "M2 0h1v1h-1z",
    }
    assert lane.description == "Stack 03: up 2 min, partly down 30 s, at most 53 °C"


def test_time_axis_is_divided_at_round_times() -> None:
    hour = 3600
    window = TimeWindow(20 * hour + 600, 22 * hour + 600, 60)
    ticks = build_ticks(window, hour)
    assert [tick.moment for tick in ticks] == [
        "1970-01-01T20:10:00Z",
        "1970-01-01T21:00:00Z",
        "1970-01-01T22:00:00Z",
    ]
    assert [bool(tick.label) for tick in ticks] == [False, True, True]
    assert sum(tick.width for tick in ticks) == pytest.approx(100, abs=0.05)


@pytest.mark.process
def test_marks_are_read_once_in_a_few_seconds_for_each_role(
    orders: OrderService,
    reservations: ReservationService,
    installation: InstallService,
    access: AccessControl,
    tmp_path: Path,
    recorded: RecordedPrometheus,
) -> None:
    def no_state() -> RackState:
        raise NotImplementedError

    experiments = experiment_service_for(orders, reservations, tmp_path, no_state)
    history = RaspHistory("pirack", Prometheus(recorded.url))
    clock = FakeClock()
    activity = Activity(orders, experiments, installation, access.audit, history)
    reader = MarkReader(activity, clock=clock)
    page = reader.read(WINDOW, Role.VIEWER)
    assert reader.read(WINDOW, Role.VIEWER) is page
    assert reader.read(WINDOW, Role.OPERATOR) is not page
    assert reader.read(replace(WINDOW, end=6240), Role.VIEWER) is not page
    clock.sleep(5)
    assert reader.read(WINDOW, Role.VIEWER) is not page


def event(kind: ActivityKind, at: float, text: str, *, change: str = "", stack: int = 3) -> Event:
    return Event(
        id=f"{kind}-{at}", time=at, kind=kind, text=text, change=change, stacks=(stack,), link="/x"
    )


def marks_of(*events: Event) -> list[tuple[str, str]]:
    """Return the shape and the text of each mark in a window of 120 seconds."""
    return [(mark.shape, mark.text) for mark in build_marks(events, WINDOW)]


def test_marks_of_a_kind_that_are_close_together_are_one_mark() -> None:
    power, order = ActivityKind.POWER, ActivityKind.ORDER
    assert marks_of(
        event(power, 6004, "stack 04 off", change="off", stack=4),
        event(power, 6000.5, "stack 03 off", change="off"),
        event(order, 6001, "order 7: power off stack 03: ok"),
        event(power, 6040, "stack 03 on", change="on"),
        event(order, 6090, "order 8: ping 03-2: ok"),
        event(order, 6091, "order 9: ping 03-2: ok"),
        event(order, 6092, "order 10: ping 03-2: ok"),
        event(order, 6093, "order 11: ping 03-2: ok"),
    ) == [
        ("order", "order 7: power off stack 03: ok"),
        (
            "order",
            "order 8: ping 03-2: ok; order 9: ping 03-2: ok; order 10: ping 03-2: ok; and 1 more",
        ),
        ("power", "2 stacks off"),
        ("power", "stack 03 on"),
    ]


def test_start_of_an_alert_is_more_important_than_the_end_of_another_one() -> None:
    alert = ActivityKind.ALERT
    start = event(alert, 6001, "stack 03 down", change="down")
    end = event(alert, 6000, "stack 04 down, resolved", change="down, resolved", stack=4)
    assert marks_of(end) == [("resolved", "stack 04 down, resolved")]
    assert marks_of(start, end) == [("alert", "stack 04 down, resolved, stack 03 down")]


def test_each_kind_of_marks_has_a_shape_of_its_own() -> None:
    built = build_marks([event(kind, 6001, kind) for kind in MARK_KINDS], WINDOW)
    assert len({SHAPES[mark.shape] for mark in built}) == len(MARK_KINDS)
    assert len(set(SHAPES.values())) == len(SHAPES)
