"""Reservations on the page Reservations and on the rack page."""

from dataclasses import replace

import pytest
from playwright.sync_api import expect

from controller.auth.access_control import AccessControl
from controller.pages.reservation_calendar import build_calendar
from controller.reservations.model import QueuePlace, Quota, Reservation, ReservationState
from controller.reservations.service import ReservationService
from tests.controller.conftest import OpenPage
from tests.controller.http_client import add_users

browser_test = pytest.mark.process


def reserve_for_a_class(reservations: ReservationService) -> None:
    """Reserve all stacks, queue for some, and limit a class."""
    for owner, selection in (
        ("otto", "stacks 1-3"),
        ("anna", "stacks 4-6"),
        ("token:student-17", "6 stacks"),
        ("ben", "2 stacks"),
        ("cleo", "stacks 5-6"),
    ):
        reservations.reserve(owner, selection, 20 * 60)
    reservations.quotas.save(Quota("class", ("student-*", "lab-*"), stacks=3, seconds=1200))


@browser_test
def test_rack_page_shows_everyone_who_has_which_stacks_until_when(
    open_page: OpenPage, reservations: ReservationService
) -> None:
    page = open_page()
    expect(page.get_by_role("heading", name="Reservations")).to_have_count(0)
    reserve_for_a_class(reservations)
    note = page.locator(".stack-2 .is-holder")
    expect(note).to_contain_text("otto")
    expect(note).to_contain_text("until ")
    expect(page.locator(".stack-12 .is-holder")).to_contain_text("token:student-17")
    entries = page.get_by_role("list", name="Stack 05")
    expect(entries.get_by_role("listitem")).to_have_count(2)
    expect(entries).to_contain_text("anna until")
    expect(entries).to_contain_text("cleo about")


@browser_test
def test_viewer_sees_reservations_without_buttons(
    open_page: OpenPage, reservations: ReservationService
) -> None:
    reserve_for_a_class(reservations)
    page = open_page("/reservations")
    expect(page.get_by_role("row", name="1 otto 01 02 03 active until")).to_be_visible()
    expect(page.get_by_role("row", name="4 ben 2 stacks queued place 1, about 20")).to_be_visible()
    expect(page.get_by_role("row", name="class 3 20 student-* lab-*")).to_be_visible()
    expect(page.locator("main form")).to_have_count(0)


@browser_test
def test_operator_reserves_extends_and_hands_back_with_the_keyboard(
    open_page: OpenPage, access: AccessControl, reservations: ReservationService
) -> None:
    add_users(access)
    page = open_page("/reservations", who="otto")
    page.get_by_label("Reserve", exact=True).focus()
    page.keyboard.press("Control+A")
    page.keyboard.type("stacks 2-3")
    page.keyboard.press("Tab")
    page.keyboard.type("30")
    page.keyboard.press("Enter")
    mine = page.get_by_role("row", name="1 otto 02 03 active until")
    expect(mine).to_be_visible()
    left = reservations.seconds_left(reservations.get(1))
    assert left is not None
    assert left > 29 * 60
    page.get_by_role("button", name="Extend by 10 min").press("Enter")
    expect(mine).to_be_visible()
    assert (reservations.seconds_left(reservations.get(1)) or 0) > 39 * 60
    page.get_by_role("button", name="Hand back").press("Enter")
    expect(page.get_by_text("No stack is reserved")).to_be_visible()
    assert reservations.get(1).end_reason == "handed back"


@browser_test
def test_refused_reservation_is_explained(
    open_page: OpenPage, access: AccessControl, reservations: ReservationService
) -> None:
    add_users(access)
    reservations.quotas.save(Quota("class", ("otto",), stacks=3, seconds=1200))
    page = open_page("/reservations", who="otto")
    page.get_by_label("Reserve", exact=True).fill("4 stacks")
    page.get_by_role("button", name="Reserve").click()
    expect(page.locator("main")).to_contain_text("quota class allows 3 stacks at the same time")


@browser_test
def test_only_an_admin_takes_over(
    open_page: OpenPage, access: AccessControl, reservations: ReservationService
) -> None:
    add_users(access)
    reserve_for_a_class(reservations)
    page = open_page("/reservations", who="otto")
    expect(page.locator("#reservation-2 button")).to_have_count(0)
    page = open_page("/reservations", who="ada")
    page.locator("#reservation-2").get_by_role("button", name="Take over").click()
    expect(page.get_by_role("row", name="2 ada 04 05 06 active")).to_be_visible()


def test_calendar_has_the_expected_times_of_the_queue() -> None:
    queued = Reservation(
        id=2,
        owner="ben",
        selection="2 stacks",
        seconds=600.0,
        lease_seconds=None,
        state=ReservationState.QUEUED,
        stacks=(),
        queued_at=0.0,
    )
    active = replace(
        queued,
        id=1,
        owner="anna",
        state=ReservationState.ACTIVE,
        stacks=(1, 2),
        started_at=1200.0,
        ends_at=2700.0,
    )
    calendar = build_calendar(
        [active, queued, replace(queued, id=3)],
        {2: QueuePlace(1, 895.0, (1, 2)), 3: QueuePlace(2, None, ())},
        now=1805.0,
    )
    assert (calendar.start, calendar.end) == (1800, 3600)
    assert list(calendar.stacks) == [1, 2]
    current, expected = calendar.stacks[1]
    assert (current.owner, current.x, current.width, current.is_expected) == ("anna", 0, 300, False)
    assert (expected.owner, expected.start, expected.end) == ("ben", 2700, 3300)
    assert (expected.x, expected.width, expected.is_expected) == (300, 200, True)
