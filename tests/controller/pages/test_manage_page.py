"""Tests of the table of rasps in a browser: search, filters, sorting."""

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

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
    page = open_page("/manage")
    expect_row_count(page, 48)
    expect(page.locator(".stack-row")).to_have_count(12)
    row = page.locator("#row-10")
    for text in ("03-2", "up", "127.23.3.2", "b8:27:eb:00:00:0a", "48 °C"):
        expect(row).to_contain_text(text)
    expect(page.locator("#row-11")).to_contain_text("down")


def test_search_finds_rasps_by_id_name_mac_or_ip_while_typing(open_page: OpenPage) -> None:
    page = open_page("/manage")
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
    page = open_page("/manage")
    page.get_by_label("Search").fill('"><script>window.isHacked = true</script>')
    expect(page.get_by_text("No matching rasps.")).to_be_visible()
    page.get_by_role("link", name="Show all").click()
    expect_row_count(page, 48)
    assert page.evaluate("window.isHacked") is None


def test_filters_by_state_and_stack_apply_to_updates(
    open_page: OpenPage, rack_state: FakeRackState
) -> None:
    rack_state.state_values |= {"03-2": 0.0, "07-1": 0.0}
    page = open_page("/manage")
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
    page = open_page("/manage")
    heading = page.get_by_role("columnheader", name="Temp.")
    heading.get_by_role("link").click()
    expect(heading).to_have_attribute("aria-sort", "ascending")
    assert row_names(page).all_inner_texts()[:4] == ["05-1", "09-4", "03-2", "01-1"]
    heading.get_by_role("link").click()
    expect(heading).to_have_attribute("aria-sort", "descending")
    assert row_names(page).all_inner_texts()[:4] == ["03-2", "09-4", "05-1", "01-1"]


def test_update_keeps_the_search_text(open_page: OpenPage, rack_state: FakeRackState) -> None:
    page = open_page("/manage")
    search = page.get_by_label("Search")
    search.fill("03-")
    expect_row_count(page, 4)
    rack_state.state_values["03-1"] = 0.0
    expect(page.locator("#row-9")).to_contain_text("down")
    expect(search).to_have_value("03-")


def test_search_works_without_javascript(browser: Browser, url: str) -> None:
    page = browser.new_page(java_script_enabled=False)
    page.goto(f"{url}/manage")
    page.get_by_label("Search").fill("03-")
    page.get_by_role("button", name="Search").click()
    expect(row_names(page)).to_have_text(["03-1", "03-2", "03-3", "03-4"])
    page.close()


def test_invalid_filters_are_ignored(open_page: OpenPage) -> None:
    page = open_page("/manage?stack=99999999999&state=great&sort=price&order=up&q=")
    expect_row_count(page, 48)
