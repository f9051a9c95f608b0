"""Tests of the rack page and the page of a rasp in a browser."""

import json
import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from flask import Flask
from flask.testing import FlaskClient
from playwright.sync_api import Browser, Locator, Page, expect

from controller.auth.access_control import AccessControl
from controller.state.model import RaspOperation
from rack.layout_file import parse
from tests.controller.conftest import OpenPage
from tests.controller.fake_alertmanager import AlertJson, active_alert
from tests.controller.fakes import FakeRackState
from tests.controller.http_client import add_users
from tests.controller.state.test_prometheus import http_server_returning
from tests.helpers.layouts import documented_room
from tests.helpers.waiting import TIMEOUT_SECONDS

pytestmark = pytest.mark.process


def cell(page: Page, name: str) -> Locator:
    return page.locator(".rack a.rasp", has_text=name)


def css_color(locator: Locator, css_property: str = "backgroundColor") -> str:
    return str(locator.evaluate(f"element => getComputedStyle(element).{css_property}"))


def test_rack_page_shows_state_and_temperature_of_every_rasp(
    open_page: OpenPage, rack_state: FakeRackState
) -> None:
    rack_state.temperatures = dict.fromkeys(rack_state.state_values, 47.6)
    rack_state.state_values |= {"03-2": 0.0, "09-1": 4.0}
    page = open_page()
    expect(page.locator(".rack a.rasp")).to_have_count(48)
    expect(cell(page, "03-1")).to_have_text("03-1 48 °C up")
    expect(cell(page, "03-2")).to_have_text("03-2 – down")
    expect(cell(page, "09-1")).to_have_text("09-1 – off")
    expect(page.get_by_label("Rasps by state")).to_contain_text("46 of 48 up")


def test_rasp_that_is_down_shows_its_last_temperature_as_old(
    open_page: OpenPage, rack_state: FakeRackState
) -> None:
    rack_state.state_values["03-2"] = 0.0
    rack_state.last_seen["03-2"] = datetime(2026, 11, 20, 7, 53, tzinfo=UTC).timestamp()
    rack_state.last_temperatures["03-2"] = 51.2
    page = open_page()
    expect(cell(page, "03-2")).to_have_text("03-2 down 51 °C last 20 Nov")
    old = cell(page, "03-2").locator(".rasp-old")
    assert css_color(old, "fontWeight") == "400"
    assert css_color(old, "color") != css_color(cell(page, "03-2"), "color")
    expect(page.get_by_label("Rasps by state")).not_to_contain_text("hottest")
    page.goto(f"{page.url}rasps/10")
    expect(page.locator("dt:text('Temperature') + dd .is-old")).to_have_text("51 °C, last 20 Nov")
    expect(page.get_by_role("main")).to_contain_text("Last scraped 2026-11-20")


def test_rasps_in_an_order_or_install_are_neutral_and_not_counted_as_down(
    open_page: OpenPage, rack_state: FakeRackState
) -> None:
    rack_state.state_values |= {"03-2": 0.0, "03-3": 4.0, "03-4": 0.0}
    rack_state.temperatures = {"03-1": 64.0}
    rack_state.operations = {
        9: RaspOperation.SHUTTING_DOWN,
        10: RaspOperation.INSTALLING,
        11: RaspOperation.BOOTING,
    }
    page = open_page()
    expect(cell(page, "03-1")).to_have_text("03-1 64 °C shutting down")
    expect(cell(page, "03-2")).to_have_text("03-2 – installing")
    expect(cell(page, "03-3")).to_have_text("03-3 – booting")
    counts = page.get_by_label("Rasps by state")
    expect(counts).to_contain_text("45 of 48 up 1 down 1 installing 1 booting")
    assert css_color(cell(page, "03-2"), "color") != css_color(cell(page, "03-4"), "color")


def test_temperatures_and_states_have_different_colors(
    open_page: OpenPage, rack_state: FakeRackState
) -> None:
    rack_state.temperatures = {"01-1": 34.0, "01-2": 52.0, "01-3": 78.0, "01-4": 52.4}
    rack_state.state_values |= {"02-1": 0.0, "02-2": 4.0, "02-3": 9.0}
    page = open_page()
    cold, mild, hot, as_mild = (css_color(cell(page, f"01-{slot}")) for slot in (1, 2, 3, 4))
    assert len({cold, mild, hot}) == 3
    assert mild == as_mild
    styles = {css_color(cell(page, f"02-{slot}"), "borderTopStyle") for slot in (1, 2, 3)}
    assert styles == {"solid", "dotted", "dashed"}


def test_warm_and_hot_have_one_color_on_all_pages(
    open_page: OpenPage, url: str, rack_state: FakeRackState
) -> None:
    rack_state.temperatures = {"03-1": 61.0, "03-2": 78.0}
    rack_state.state_values |= {"03-1": 2.0, "03-2": 3.0}
    page = open_page()
    colors = [css_color(cell(page, name)) for name in ("03-1", "03-2")]
    for path in ("rasps", "stacks/3"):
        page.goto(f"{url}/{path}")
        badges = [page.locator(f"#row-{rasp} .badge.rasp") for rasp in (9, 10)]
        expect(badges[0]).to_have_text("warm")
        assert [css_color(badge) for badge in badges] == colors


def test_stacks_are_placed_by_their_position_in_rack_toml(open_page: OpenPage) -> None:
    page = open_page()
    boxes = [cell(page, f"{stack:02}-1").bounding_box() for stack in range(1, 13)]
    columns = [box["x"] for box in boxes if box]
    assert len(columns) == 12
    assert columns == sorted(columns)
    assert len({box["y"] for box in boxes if box}) == 1


def test_update_shows_a_change_and_keeps_the_focus(
    open_page: OpenPage, rack_state: FakeRackState
) -> None:
    page = open_page()
    page.evaluate("window.isTheSamePage = true")
    cell(page, "05-3").focus()
    rack_state.state_values["05-3"] = 0.0
    expect(cell(page, "05-3")).to_have_text("05-3 – down")
    expect(cell(page, "05-3")).to_be_focused()
    expect(page.get_by_label("Rasps by state")).to_contain_text("47 of 48 up 1 down")
    assert page.evaluate("window.isTheSamePage") is True


def test_unchanged_page_is_answered_with_304(open_page: OpenPage) -> None:
    page = open_page()
    with page.expect_response(lambda response: response.status == 304):
        pass


def test_rack_page_shows_prometheus_error_and_recovers(
    open_page: OpenPage, rack_state: FakeRackState
) -> None:
    rack_state.error = "Prometheus at http://127.0.0.1:9090 cannot be reached"
    page = open_page()
    expect(page.get_by_role("status")).to_contain_text(rack_state.error)
    expect(cell(page, "01-1")).to_have_text("01-1 – unknown")
    expect(page.get_by_label("Rasps by state")).to_contain_text("issues unknown")
    rack_state.error = ""
    expect(cell(page, "01-1")).to_have_text("01-1 – up")
    expect(page.get_by_label("Rasps by state")).not_to_contain_text("issues unknown")
    expect(page.get_by_role("status")).to_have_count(0)


def test_lost_connection_is_shown_until_the_controller_is_back(
    open_page: OpenPage, rack_state: FakeRackState
) -> None:
    page = open_page()
    notice = page.get_by_text("No connection to the controller.")
    expect(notice).to_be_hidden()
    page.context.set_offline(True)
    expect(notice).to_be_visible()
    page.context.set_offline(False)
    expect(notice).to_be_hidden()


def test_server_error_is_shown_as_lost_connection(
    open_page: OpenPage, rack_state: FakeRackState
) -> None:
    page = open_page()
    rack_state.is_database_broken = True
    expect(page.get_by_text("No connection to the controller.")).to_be_visible()


def test_arrow_keys_move_the_focus_through_the_rack(open_page: OpenPage) -> None:
    page = open_page()
    cell(page, "03-2").focus()
    for key, name in [
        ("ArrowRight", "04-2"),
        ("ArrowDown", "04-3"),
        ("ArrowLeft", "03-3"),
        ("ArrowUp", "03-2"),
    ]:
        page.keyboard.press(key)
        expect(cell(page, name)).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="03-2")).to_be_visible()


def test_rasp_page_shows_identity_and_links_to_the_rack(
    open_page: OpenPage, rack_state: FakeRackState
) -> None:
    rack_state.temperatures = {"03-2": 51.2}
    page = open_page("/rasps/10")
    main = page.get_by_role("main")
    for text in ("rasp-03-2", "b8:27:eb:00:00:0a", "51 °C"):
        expect(main).to_contain_text(text)
    page.get_by_role("navigation", name="Breadcrumb").get_by_role("link", name="Rack").click()
    expect(page.locator(".rack a.rasp")).to_have_count(48)


def test_rack_does_not_scroll_sideways_on_a_phone(open_page: OpenPage) -> None:
    page = open_page(width=360)
    for element in ("document.documentElement", "document.querySelector('.rack')"):
        assert page.evaluate(f"{element}.scrollWidth <= {element}.clientWidth"), element


def test_checkboxes_cover_no_names_on_a_phone(open_page: OpenPage, access: AccessControl) -> None:
    add_users(access)
    page = open_page(width=360, who="otto")
    for box, name in (
        (page.get_by_label("Select 03-2"), cell(page, "03-2").locator(".rasp-name")),
        (page.get_by_label("Select stack 03"), page.get_by_role("link", name="03 stack")),
    ):
        left, width = box.evaluate("box => [box.offsetLeft, box.offsetWidth]")
        assert width >= 24
        assert left + width + 3 <= name.evaluate(TEXT_LEFT)


TEXT_LEFT = """(element) => {
  const range = document.createRange();
  range.selectNodeContents(element.firstChild);
  const parent = element.closest(".cell, .stack-name");
  return range.getBoundingClientRect().left - parent.getBoundingClientRect().left;
}"""
"""Position of the text of an element in the tile or head of a stack."""


class TestRoom:
    """The room of the documentation: three rows, of which the last has two short stacks."""

    @pytest.fixture
    def rack_state(self) -> FakeRackState:
        text, _ = documented_room()
        return FakeRackState(parse(text.replace("10.23.", "127.23.")))

    def test_stacks_stand_in_rows_with_aisles(self, open_page: OpenPage) -> None:
        page = open_page()
        boxes = [page.locator(f".stack-{number}").bounding_box() for number in range(1, 11)]
        corners = [(box["x"], box["y"]) for box in boxes if box]
        columns = sorted({x for x, _ in corners})
        rows = sorted({y for _, y in corners})
        places = [(columns.index(x), rows.index(y)) for x, y in corners]
        assert places == [
            *((column, row) for row in (0, 1) for column in range(4)),
            *((column, 2) for column in (1, 2)),
        ]
        assert columns[2] - columns[1] > columns[1] - columns[0] + 20
        assert rows[2] - rows[1] > rows[1] - rows[0] + 20

    def test_arrow_keys_cross_rows_and_aisles(self, open_page: OpenPage) -> None:
        page = open_page()
        cell(page, "06-3").focus()
        for key, name in [
            ("ArrowRight", "07-3"),
            ("ArrowDown", "07-4"),
            ("ArrowDown", "10 stack"),
            ("ArrowDown", "10-1"),
            ("ArrowLeft", "09-1"),
            ("ArrowLeft", "09-1"),
            ("ArrowUp", "09 stack"),
            ("ArrowUp", "06-4"),
            ("End", "10-2"),
            ("ArrowDown", "10-2"),
        ]:
            page.keyboard.press(key)
            expect(page.get_by_role("link", name=name)).to_be_focused()

    def test_phone_shows_the_stacks_by_row(self, open_page: OpenPage) -> None:
        page = open_page(width=340)
        names = page.locator(".row-name")
        expect(names).to_have_text(["Row 1", "Row 2", "Row 4"])
        expect(page.get_by_role("group", name="Row 4").get_by_role("heading")).to_have_count(2)
        boxes = [names.nth(i).bounding_box() for i in range(3)]
        tops = [box["y"] for box in boxes if box]
        for stack, row in ((1, 0), (4, 0), (5, 1), (8, 1), (9, 2)):
            box = page.locator(f".stack-{stack}").bounding_box()
            assert box
            assert sum(top < box["y"] for top in tops) == row + 1
        page.set_viewport_size({"width": 1280, "height": 800})
        expect(names.first).to_be_hidden()


def test_page_follows_the_color_scheme(open_page: OpenPage) -> None:
    def lightness(scheme: str) -> float:
        body = open_page(scheme=scheme).locator("body")
        channels = css_color(body).removeprefix("rgb(").removesuffix(")").split(",")
        return sum(float(channel) for channel in channels) / 3

    assert lightness("dark") < 60
    assert lightness("light") > 200


def test_text_in_the_rack_has_sufficient_contrast(
    open_page: OpenPage, rack_state: FakeRackState
) -> None:
    """WCAG 2.1 requires a contrast of 4.5:1."""
    celsius = [30.0, 37.0, 42.0, 47.0, 52.0, 57.0, 62.0, 67.0, 72.0, 77.0]
    rack_state.temperatures = dict(zip(rack_state.state_values, celsius, strict=False))
    rack_state.state_values |= {"11-1": 0.0, "11-2": 4.0, "11-3": 9.0}
    for scheme in ("light", "dark"):
        page = open_page(scheme=scheme)
        for name in [*list(rack_state.state_values)[:10], "11-1"]:
            text, background = css_color(cell(page, name), "color"), css_color(cell(page, name))
            assert contrast(text, background) >= 4.5, (scheme, name, text, background)


def contrast(first: str, second: str) -> float:
    lighter, darker = sorted((luminance(first), luminance(second)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def luminance(rgb: str) -> float:
    channels = [float(c) / 255 for c in rgb.removeprefix("rgb(").removesuffix(")").split(",")]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_rack_page_refreshes_without_javascript(
    browser: Browser, url: str, rack_state: FakeRackState
) -> None:
    page = browser.new_page(java_script_enabled=False)
    page.goto(url)
    expect(cell(page, "03-2")).to_have_text("03-2 – up")
    rack_state.state_values["03-2"] = 0.0
    expect(cell(page, "03-2")).to_have_text("03-2 – down")
    page.close()


def test_rasp_page_shows_the_uptime_and_a_wrong_clock(
    client: FlaskClient, rack_state: FakeRackState
) -> None:
    rack_state.uptimes = {"03-1": 200.0, "03-2": 200.0}
    rack_state.boot_times = {"03-1": 0.0, "03-2": 1_795_830_000.0}
    rack_state.clock_offsets = {"03-1": -1_795_830_000.0, "03-2": 0.3}
    wrong, right = client.get("/rasps/9").text, client.get("/rasps/10").text
    assert "<dt>Uptime</dt><dd>3 min</dd>" in wrong
    assert "20785 d behind the master" in wrong
    assert "1970" not in wrong
    assert "<dt>Uptime</dt><dd>3 min, since <time" in right
    assert "<dt>Clock</dt><dd>agrees with the master" in right


def test_missing_rasp_page_shows_the_error_and_links_to_the_rack(
    open_page: OpenPage, url: str
) -> None:
    page = open_page("/rasps/99")
    expect(page.locator("main")).to_contain_text("no rasp 99: this rack has rasps 1 to 48")
    expect(page.get_by_role("link", name="Go to the rack")).to_be_visible()


def test_rasp_name_redirects_to_the_rasp_page(open_page: OpenPage) -> None:
    for name in ("03-2", "rasp-03-2", "3/2"):
        page = open_page(f"/rasps/{name}")
        expect(page).to_have_url(re.compile("/rasps/10$"))
    page = open_page("/rasps/03-9")
    expect(page.get_by_role("main")).to_contain_text("no slot 3/9 (03-9): stack 3 has slots 1 to 4")


def test_rack_is_colored_by_the_selected_value(
    open_page: OpenPage, rack_state: FakeRackState
) -> None:
    rack_state.cpu_busy_cores = {"03-2": 1.3}
    rack_state.memory_available = {"03-2": 250_000_000.0}
    rack_state.conditions = {"03-2": "under_voltage"}
    page = open_page()
    for color, value in [("cpu", "1.3"), ("memory", "75 %"), ("power", "under-voltage")]:
        page.get_by_role("navigation", name="Color by").get_by_text(color).click()
        expect(cell(page, "03-2")).to_contain_text(value)
        expect(cell(page, "03-1")).to_contain_text("–")
        assert css_color(cell(page, "03-2")) != css_color(cell(page, "03-1"))


def test_rasp_page_shows_why_history_is_unavailable(open_page: OpenPage) -> None:
    page = open_page("/rasps/10")
    expect(page.get_by_text("No history: Prometheus at")).to_be_visible()


def test_main_navigation_leads_to_each_page(open_page: OpenPage) -> None:
    page = open_page("/about")
    navigation = page.get_by_role("navigation", name="Main")
    for label in ("Rack", "Rasps", "Master"):
        link = navigation.get_by_role("link", name=label)
        expect(link).not_to_have_attribute("aria-current", "page")
        link.click()
        expect(link).to_have_attribute("aria-current", "page")


def test_pages_fit_the_width_of_a_phone_and_of_a_tablet(
    open_page: OpenPage, url: str, rack_state: FakeRackState
) -> None:
    rack_state.state_values |= {"03-1": 0.0, "03-2": 0.0}
    rack_state.last_seen = {"03-1": 0.0, "03-2": time.time() - 7200}
    rack_state.last_temperatures = {"03-1": 48.0, "03-2": 48.0}
    rack_state.operations = {12: RaspOperation.SHUTTING_DOWN}
    rack_state.temperatures = dict.fromkeys(rack_state.state_values, 48.0)
    page = open_page()
    for width in (360, 720, 900):
        page.set_viewport_size({"width": width, "height": 800})
        for path in ("/", "/rasps", "/rasps/10", "/stacks/3", "/master", "/about"):
            page.goto(url + path)
            assert page.evaluate("document.documentElement.scrollWidth") <= width, path


def test_stack_with_stuck_relay_is_marked_and_listed_with_the_reason(
    open_page: OpenPage, rack_state: FakeRackState
) -> None:
    mismatch = "it was switched off, but 04-1 replies: its relay is stuck"
    rack_state.power_mismatches = {4: mismatch}
    page = open_page()
    stack = page.locator(".stack-4")
    expect(stack).to_contain_text("off, but replies")
    expect(page.locator("#power-warnings + ul")).to_contain_text(mismatch)
    stack.get_by_role("link", name="04 stack").click()
    expect(page.get_by_role("main")).to_contain_text(mismatch)


class TestCard:
    def test_card_shows_details_on_hover_and_stays_under_the_pointer(
        self, open_page: OpenPage, rack_state: FakeRackState
    ) -> None:
        rack_state.temperatures = {"03-2": 51.2}
        page = open_page()
        card = page.locator("#rasp-card")
        cell(page, "03-2").hover()
        expect(card).to_be_visible()
        for text in ("stack 03, slot 2", "rasp-03-2", "127.23.3.2", "b8:27:eb:00:00:0a", "51 °C"):
            expect(card).to_contain_text(text)
        card.get_by_role("link", name="Open 03-2").hover()
        rack_state.temperatures["01-1"] = 60.0
        expect(cell(page, "01-1")).to_contain_text("60 °C")  # after an update of the page
        expect(card).to_be_visible()
        page.get_by_role("link", name="PiRack").hover()
        expect(card).to_be_hidden()

    def test_card_follows_the_keyboard_and_escape_closes_it_first(
        self, open_page: OpenPage, access: AccessControl
    ) -> None:
        add_users(access)
        page = open_page(who="otto")
        page.get_by_label("Select 01-1").check()
        card = page.locator("#rasp-card")
        cell(page, "03-1").focus()
        page.keyboard.press("ArrowDown")
        expect(card).to_contain_text("rasp-03-2")
        expect(card).to_be_visible()
        page.keyboard.press("Escape")
        expect(card).to_be_hidden()
        expect(cell(page, "03-2")).to_be_focused()
        expect(page.get_by_label("Select 01-1")).to_be_checked()
        page.keyboard.press("Escape")
        expect(page.get_by_label("Select 01-1")).not_to_be_checked()
        page.keyboard.press("ArrowDown")
        expect(card).to_contain_text("rasp-03-3")
        expect(card).to_be_visible()
        page.keyboard.press("Tab")
        expect(card).to_be_hidden()

    def test_tap_opens_the_page_of_the_rasp_without_a_card(
        self, browser: Browser, url: str
    ) -> None:
        page = browser.new_page(has_touch=True)
        requests: list[str] = []
        page.on("request", lambda request: requests.append(request.url))
        page.goto(url)
        cell(page, "03-2").tap()
        expect(page.get_by_role("heading", name="03-2")).to_be_visible()
        assert [each for each in requests if each.endswith("/card")] == []
        page.close()


def test_printed_page_has_no_controls(
    open_page: OpenPage, access: AccessControl, active_alerts: list[AlertJson]
) -> None:
    add_users(access)
    active_alerts.append(active_alert("PiRackRaspDown", summary="03-2 is down", rasp="03-2"))
    page = open_page(who="otto")
    expect(page.get_by_role("button", name="Replay")).to_be_visible()
    page.emulate_media(media="print")
    expect(page.get_by_text("03-2 is down")).to_be_visible()
    assert page.locator(":is(button, input, select, .btn):visible").all() == []


class TestWallDisplay:
    SCREENS = ((1920, 1080), (3840, 2160), (800, 480), (1080, 1920))

    def test_whole_rack_and_its_issues_fit_the_screen_without_controls(
        self, open_page: OpenPage, rack_state: FakeRackState, active_alerts: list[AlertJson]
    ) -> None:
        rack_state.temperatures = dict.fromkeys(rack_state.state_values, 61.0)
        rack_state.state_values["03-2"] = 0.0
        rack_state.last_seen["03-2"] = 0.0
        active_alerts.append(
            active_alert("PiRackRaspDown", summary="03-2 is down", rack="pirack", rasp="03-2")
        )
        page = open_page("/?kiosk=1")
        expect(page.get_by_label("Rasps by state")).to_contain_text("47 of 48 up 1 down 1 issue")
        expect(page.locator("#rasp-9")).to_have_text("03-1 61 °C up")
        expect(page.locator(":is(a, button, input, select, form, nav)")).to_have_count(0)
        for width, height in self.SCREENS:
            page.set_viewport_size({"width": width, "height": height})
            expect(page.get_by_text("03-2 is down")).to_be_in_viewport(ratio=1)
            assert page.evaluate(
                "[document.documentElement.scrollWidth, document.documentElement.scrollHeight]"
            ) == [width, height]
            boxes = [each.bounding_box() for each in page.locator(".rack .rasp").all()]
            tiles = [box for box in boxes if box]
            assert len(tiles) == 48
            covered = sum(box["width"] * box["height"] for box in tiles)
            assert covered > 0.5 * width * height, (width, height)
            assert self.texts_outside_of_their_tile(page) == [], (width, height)

    def test_six_issues_and_the_number_of_the_others_fit_the_screen(
        self, open_page: OpenPage, active_alerts: list[AlertJson]
    ) -> None:
        active_alerts += [
            active_alert("PiRackRaspHot", summary=f"{name} is hot", rasp=name)
            | {"annotations": {"summary": f"{name} is hot", "description": "too hot " * 40}}
            for name in ("01-1", "02-1", "03-1", "04-1", "05-1", "06-1", "07-1", "08-1")
        ]
        page = open_page("/?kiosk=1")
        for width, height in ((1280, 720), (768, 1024), (360, 1675), *self.SCREENS):
            page.set_viewport_size({"width": width, "height": height})
            expect(page.get_by_text("2 more")).to_be_in_viewport(ratio=1)
            expect(page.locator(".issue").last).to_be_in_viewport(ratio=1)

    @staticmethod
    def texts_outside_of_their_tile(page: Page) -> list[str]:
        found: list[str] = page.evaluate(
            """() => [...document.querySelectorAll(".rack .rasp > span")]
              .filter((text) => {
                const [inner, outer] = [text, text.parentElement].map((each) =>
                  each.getBoundingClientRect());
                return inner.left < outer.left || inner.right > outer.right
                  || inner.top < outer.top || inner.bottom > outer.bottom;
              })
              .map((text) => text.parentElement.innerText)"""
        )
        return found

    def test_data_are_grey_until_the_controller_is_back(
        self, open_page: OpenPage, rack_state: FakeRackState
    ) -> None:
        page = open_page("/?kiosk=1")
        expect(page.locator("#clock")).to_have_text(re.compile(r"^\d\d:\d\d:\d\d$"))
        expect(page.locator("#data-time")).to_have_text(re.compile(r"^\d\d:\d\d:\d\d$"))
        rack_state.is_database_broken = True
        expect(page.get_by_role("alert")).to_contain_text("No connection to the controller.")
        expect(page.locator("main")).to_have_css("filter", "grayscale(1)")
        rack_state.is_database_broken = False
        rack_state.state_values["03-2"] = 0.0
        expect(page.locator("#rasp-10")).to_have_text("03-2 – down")
        expect(page.get_by_role("alert")).to_be_hidden()
        expect(page.locator("main")).to_have_css("filter", "none")

    def test_page_is_loaded_again_after_an_upgrade_of_pirack(
        self, open_page: OpenPage, app: Flask
    ) -> None:
        page = open_page("/?kiosk=1")
        with page.expect_event("load", timeout=1000 * TIMEOUT_SECONDS):
            app.jinja_env.globals["version"] = "99.0"
        expect(page.locator("#kiosk")).to_have_attribute("data-version", "99.0")

    def test_unchanged_data_are_answered_with_304(self, open_page: OpenPage) -> None:
        page = open_page("/?kiosk=1")
        with page.expect_response(lambda response: response.status == 304):
            pass

    def test_page_is_complete_without_javascript(
        self, browser: Browser, url: str, rack_state: FakeRackState
    ) -> None:
        page = browser.new_page(java_script_enabled=False)
        page.goto(f"{url}/?kiosk=1")
        expect(page.locator("#clock")).to_have_text(re.compile(r"^\d\d:\d\d:\d\d$"))
        rack_state.state_values["03-2"] = 0.0
        expect(page.locator("#rasp-10")).to_have_text("03-2 – down")
        page.close()


class TestHostileAliasOutput:
    HOSTILE = "<script>window.isHacked = true</script>\"'>" + "x" * 10_000

    @pytest.fixture
    def prometheus(self) -> Iterator[str]:
        target = {"job": "rasp", "rack": "pirack", "stack": "03", "slot": "2", "rasp": "03-2"}
        samples = [
            ({"__name__": "pirack_alias_success", "alias": self.HOSTILE}, "0"),
            ({"__name__": "pirack_alias_success", "alias": "custom"}, "1"),
            ({"__name__": "pirack_custom", "text": self.HOSTILE}, "1.5"),
        ]
        result = [{"metric": target | labels, "value": [0, value]} for labels, value in samples]
        body = {"status": "success", "data": {"resultType": "vector", "result": result}}
        with http_server_returning(200, json.dumps(body).encode()) as url:
            yield url

    def test_alias_output_is_escaped(self, open_page: OpenPage) -> None:
        page = open_page("/rasps/10", width=360)
        expect(page.get_by_role("row", name="custom")).to_contain_text(self.HOSTILE)
        assert page.evaluate("window.isHacked") is None
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
