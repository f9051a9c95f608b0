"""Tests of the table of rasps in a browser: search, filters, sorting."""

import csv
import io
import time
from datetime import UTC, datetime, timedelta

import pytest
from flask.testing import FlaskClient
from playwright.sync_api import Browser, Locator, Page, expect

from controller.web.csv_response import safe_cell
from tests.controller.conftest import OpenPage
from tests.controller.fakes import FakeRackState

pytestmark = pytest.mark.process


def row_names(page: Page) -> Locator:
    return page.locator(".rasps tbody tr:not(.stack-row) th")


def expect_row_count(page: Page, count: int) -> None:
    expect(row_names(page)).to_have_count(count)


def test_table_lists_all_rasps_by_stack_with_identity_and_state(
    open_page: OpenPage, rack_state: FakeRackState
) -> None:
    rack_state.temperatures = {"03-2": 48.3}
    rack_state.state_values["03-3"] = 0.0
    page = open_page("/rasps")
    expect_row_count(page, 48)
    expect(page.locator(".stack-row")).to_have_count(12)
    row = page.locator("#row-10")
    for text in ("03-2", "up", "127.23.3.2", "b8:27:eb:00:00:0a", "48 °C"):
        expect(row).to_contain_text(text)
    expect(page.locator("#row-11")).to_contain_text("down")


def test_search_finds_rasps_by_id_name_mac_or_ip_while_typing(open_page: OpenPage) -> None:
    page = open_page("/rasps")
    page.evaluate("window.isTheSamePage = true")
    search = page.get_by_label("Search")
    for query, matches in [
        ("10", ["03-2"]),
        ("rasp-07", ["07-1", "07-2", "07-3", "07-4"]),
        ("00:00:0A", ["03-2"]),
        ("127.23.12.4", ["12-4"]),
    ]:
        search.fill("")
        search.press_sequentially(query)
        expect(row_names(page)).to_have_text(matches)
        expect(page.locator("#match-count")).to_have_text(f"{len(matches)} of 48 rasps")
    expect(search).to_be_focused()
    assert page.evaluate("window.isTheSamePage") is True
    page.reload()
    expect(row_names(page)).to_have_text(["12-4"])


def test_search_without_match_shows_a_message(open_page: OpenPage) -> None:
    page = open_page("/rasps")
    page.get_by_label("Search").fill('"><script>window.isHacked = true</script>')
    expect(page.get_by_text("No matching rasps.")).to_be_visible()
    page.get_by_role("link", name="Show all").click()
    expect_row_count(page, 48)
    assert page.evaluate("window.isHacked") is None


def test_filters_by_state_and_stack_apply_to_updates(
    open_page: OpenPage, rack_state: FakeRackState
) -> None:
    rack_state.state_values |= {"03-2": 0.0, "07-1": 0.0}
    page = open_page("/rasps")
    page.get_by_label("State").select_option("down")
    expect_row_count(page, 2)
    page.get_by_label("Stack").select_option("03")
    expect_row_count(page, 1)
    rack_state.state_values["03-4"] = 0.0
    expect(row_names(page)).to_have_text(["03-2", "03-4"])
    expect(page.get_by_label("State")).to_have_value("down")


def test_columns_sort_both_ways_with_unknown_values_last(
    open_page: OpenPage, rack_state: FakeRackState
) -> None:
    rack_state.temperatures = {"03-2": 71.0, "05-1": 42.0, "09-4": 55.0}
    page = open_page("/rasps")
    heading = page.get_by_role("columnheader", name="Temp.")
    heading.get_by_role("link").click()
    expect(heading).to_have_attribute("aria-sort", "ascending")
    assert row_names(page).all_inner_texts()[:4] == ["05-1", "09-4", "03-2", "01-1"]
    heading.get_by_role("link").click()
    expect(heading).to_have_attribute("aria-sort", "descending")
    assert row_names(page).all_inner_texts()[:4] == ["03-2", "09-4", "05-1", "01-1"]


def test_update_keeps_the_search_text(open_page: OpenPage, rack_state: FakeRackState) -> None:
    page = open_page("/rasps")
    search = page.get_by_label("Search")
    search.fill("03-")
    expect_row_count(page, 4)
    rack_state.state_values["03-1"] = 0.0
    expect(page.locator("#row-9")).to_contain_text("down")
    expect(search).to_have_value("03-")


def test_search_works_without_javascript(browser: Browser, url: str) -> None:
    page = browser.new_page(java_script_enabled=False)
    page.goto(f"{url}/rasps")
    page.get_by_label("Search").fill("03-")
    page.get_by_role("button", name="Search").click()
    expect(row_names(page)).to_have_text(["03-1", "03-2", "03-3", "03-4"])
    page.close()


def test_invalid_filters_are_ignored(open_page: OpenPage) -> None:
    page = open_page("/rasps?stack=99999999999&state=great&sort=price&order=up&q=")
    expect_row_count(page, 48)


def test_manage_redirects_with_its_query(client: FlaskClient) -> None:
    response = client.get("/manage?state=down&q=03-&_external=1")
    assert response.status_code == 308
    assert response.location == "/rasps?state=down&q=03-&_external=1"


def test_table_shows_up_for_and_down_since_under_a_heading_that_stays_in_view(
    open_page: OpenPage, rack_state: FakeRackState
) -> None:
    rack_state.uptimes = {"03-1": 7300.0}
    rack_state.state_values["03-2"] = 0.0
    rack_state.last_seen["03-2"] = time.time() - 600
    page = open_page("/rasps?sort=down_since")
    expect(row_names(page).first).to_have_text("03-2")
    expect(page.locator("#row-9 .column-up_for")).to_have_text("2 h")
    expect(page.locator("#row-10 .column-down_since")).to_have_text("10 min ago")
    expect(page.locator("#row-10 .column-up_for")).to_have_text("–")
    page.mouse.wheel(0, 5000)
    expect(page.locator("#row-48")).to_be_in_viewport()
    expect(page.get_by_role("columnheader", name="Down since")).to_be_in_viewport()


def test_downloads_have_the_rasps_and_the_order_of_the_address(
    open_page: OpenPage, client: FlaskClient, rack_state: FakeRackState
) -> None:
    rack_state.temperatures = {"03-1": 41.0, "03-2": 52.5}
    rack_state.clock_offsets = {"03-1": -0.25}
    page = open_page("/rasps?q=03-&sort=temperature&order=desc")
    href = page.get_by_role("link", name="CSV").get_attribute("href")
    assert href == "/rasps.csv?q=03-&sort=temperature&order=desc"
    response = client.get(href)
    assert response.headers["Content-Disposition"] == "attachment; filename=rasps-pirack.csv"
    rows = list(csv.DictReader(io.StringIO(response.text)))
    assert [row["name"] for row in rows] == ["03-2", "03-1", "03-3", "03-4"]
    assert rows[0]["temperature_celsius"] == "52.5"
    assert rows[1]["clock_offset_seconds"] == "-0.25"
    assert rows[2]["temperature_celsius"] == ""
    link = page.get_by_role("link", name="JSON")
    names = [rasp["name"] for rasp in client.get(link.get_attribute("href")).get_json()]
    assert names == ["03-1", "03-2", "03-3", "03-4"]


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"])
def test_text_that_a_spreadsheet_would_execute_is_quoted(text: str) -> None:
    assert safe_cell(text) == f"'{text}"
    assert safe_cell(f"a{text}") == f"a{text}"


def test_numbers_of_a_download_stay_numbers() -> None:
    assert safe_cell(-0.25) == -0.25


def test_times_are_relative_and_complete_in_the_time_zone_of_the_reader(
    browser: Browser, url: str, rack_state: FakeRackState
) -> None:
    rack_state.state_values["03-2"] = 0.0
    seen_at = datetime(2026, 11, 20, 7, 53, tzinfo=UTC)
    rack_state.last_seen["03-2"] = seen_at.timestamp()
    rack_state.last_temperatures["03-2"] = 51.0
    page = browser.new_page(timezone_id="Asia/Tokyo")
    page.goto(f"{url}/rasps")
    time_of_rasp = page.locator("#row-10 .column-down_since time")
    expect(time_of_rasp).to_have_attribute("title", "2026-11-20 16:53:00 Asia/Tokyo")
    expect(page.get_by_text("Times in Asia/Tokyo")).to_be_visible()
    rack_state.last_seen["03-2"] += 60
    expect(time_of_rasp).to_have_attribute("title", "2026-11-20 16:54:00 Asia/Tokyo")
    page.close()
    page = browser.new_page(timezone_id="Asia/Tokyo", java_script_enabled=False)
    page.goto(f"{url}/rasps")
    local = (seen_at + timedelta(minutes=1)).astimezone()
    expect(page.locator("#row-10 .column-down_since time")).to_have_attribute(
        "title", local.strftime("%Y-%m-%d %H:%M:%S %Z")
    )
    page.close()


@pytest.mark.parametrize("width", [720, 768, 900])
def test_table_fits_a_tablet_while_the_power_of_a_stack_differs(
    open_page: OpenPage, rack_state: FakeRackState, width: int
) -> None:
    rack_state.power_mismatches = {4: "switched off, but 04-1 responds: " + "check the relay " * 8}
    rack_state.state_values["03-2"] = 0.0
    rack_state.last_seen["03-2"] = time.time() - 600
    rack_state.last_temperatures["03-2"] = 44.0
    page = open_page("/rasps", width=width)
    expect(page.locator("#row-stack-4")).to_contain_text("check the relay")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
