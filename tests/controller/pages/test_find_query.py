"""Tests of what users find, without a browser."""

import pytest

from controller.auth.access_control import Actor
from controller.auth.roles import Role
from controller.pages.find_query import FindQuery
from controller.pages.navigation import visible_pages
from controller.pages.runbooks import runbook_names
from tests.controller.fakes import RACK, FakeRackState

RASPS = FakeRackState(RACK).read().rasps
OPERATOR = Actor("otto", Role.OPERATOR, session="secret")
VIEWER = Actor("vera", Role.VIEWER, session="secret")


def rasp_names(text: str) -> list[str]:
    return [rasp.slot.name for rasp in FindQuery.parse(text).rasps(RASPS)]


def stack_names(text: str) -> list[str]:
    return [stack.name for stack in FindQuery.parse(text).stacks(RACK)]


def page_labels(text: str, actor: Actor) -> list[str]:
    return [page.label for page in FindQuery.parse(text).pages(visible_pages(actor))]


@pytest.mark.parametrize(
    "text",
    ["03-2", "3/2", "rasp-03-2", "RASP 3/2", "rasp  03-2", "10", "10.23.3.2", "B8:27:EB:00:00:0A"],
)
def test_rasp_is_found_by_name_place_id_and_address(text: str) -> None:
    assert rasp_names(text) == ["03-2"]


def test_number_finds_a_stack_a_rasp_and_an_order_and_a_kind_selects_one_of_them() -> None:
    query = FindQuery.parse("12")
    assert (stack_names("12"), rasp_names("12"), query.order_id) == (["12"], ["03-4"], 12)
    query = FindQuery.parse("order 12")
    assert (stack_names("order 12"), rasp_names("order 12"), query.order_id) == ([], [], 12)
    query = FindQuery.parse("Stack 03")
    assert (stack_names("Stack 03"), rasp_names("Stack 03"), query.order_id) == (["03"], [], None)


@pytest.mark.parametrize("text", ["", "13", "1..4", "x" * 100, "9" * 99, "²", "order x", "'\"<"])
def test_text_that_names_nothing_finds_no_rasp_stack_or_order(text: str) -> None:
    query = FindQuery.parse(text)
    assert stack_names(text) == []
    assert query.order_id in {None, 13}


def test_runbooks_are_found_by_all_words_of_their_name() -> None:
    names = runbook_names()
    assert FindQuery.parse("rasp hot").runbooks(names) == ["PiRackRaspHot", "PiRackRaspVeryHot"]
    assert FindQuery.parse("PiRackRaspHot").runbooks(names) == ["PiRackRaspHot"]
    assert FindQuery.parse("runbook stackdown").runbooks(names) == ["PiRackStackDown"]
    assert FindQuery.parse("rack").runbooks(names) == []


def test_pages_are_found_by_name_and_all_are_listed_without_a_text() -> None:
    assert page_labels("mas", OPERATOR) == ["Master"]
    assert page_labels("page ra", OPERATOR) == ["Rack", "Rasps"]
    assert len(page_labels("", OPERATOR)) > len(page_labels("", VIEWER)) > 5


def test_viewers_find_no_pages_of_operators_and_anonymous_users_no_account() -> None:
    for text in ("orders", "audit", "install", "experiments"):
        assert page_labels(text, VIEWER) == []
        assert page_labels(text, OPERATOR) != []
    assert page_labels("account", VIEWER) == ["Your account"]
    assert page_labels("account", Actor(role=Role.VIEWER)) == []
