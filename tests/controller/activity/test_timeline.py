"""Events of stored things, their causes, and pages of them."""

import math

from controller.activity.model import ActivityFilter, ActivityKind, Event
from controller.activity.timeline import ActivitySources, build_events, first_page
from controller.audit import WRONG_PASSWORD, AuditEvent, AuditRecord
from controller.experiments.model import RunHeader, RunState, RunVerdict, VerdictResult
from controller.orders.model import Result
from dhcp_installer.install.journal import InstallKind, InstallState
from tests.controller.activity.events import (
    DOWN,
    NOW,
    OFF,
    UP,
    edge,
    first_uptimes,
    install,
    order,
    state_changes,
)
from tests.controller.fakes import RACK

DISRUPTIVE = {"power_cycle", "power_off", "reboot"}


def events_of(**sources: object) -> list[Event]:
    return build_events(ActivitySources(**sources), RACK, DISRUPTIVE)  # type: ignore[arg-type]


def texts(**sources: object) -> list[str]:
    """Return the texts, the oldest first."""
    return [event.text for event in reversed(events_of(**sources))]


def causes(**sources: object) -> dict[str, tuple[str, str]]:
    """Return the cause and the actor of each text."""
    return {event.text: (event.cause, event.actor) for event in events_of(**sources)}


class TestTexts:
    def test_order_has_its_action_targets_and_result(self) -> None:
        orders = [
            order(1, "power_cycle", "03"),
            order(2, "uptime", "01-1", "01-2", at=1, result=Result.FAILED),
            order(3, "reboot", "01-1", at=2, result=None),
        ]
        assert texts(orders=orders) == [
            "order 1: power cycle stack 03: ok",
            "order 2: uptime 01-1, 01-2: 2 failed",
            "order 3: reboot 01-1: running",
        ]
        assert [event.level for event in events_of(orders=orders)] == ["", "warning", ""]

    def test_edge_without_times_is_not_confirmed(self) -> None:
        edges = [
            edge(1, 3, is_on=False),
            edge(2, 3, is_on=True, at=5, slot=2),
            edge(3, 4, is_on=True, at=9, is_confirmed=False),
        ]
        assert texts(edges=edges) == ["stack 03 off", "03-2 on", "stack 04 on, not confirmed"]

    def test_install_with_missing_rasps_is_a_warning(self) -> None:
        installs = [
            install(1),
            install(2, at=1, found=43, missing=5),
            install(3, at=2, state=InstallState.FAILED, error="no DHCP server"),
            install(4, at=3, kind=InstallKind.REPLACE, targets=("03-2",)),
            install(5, at=4, seconds=None),
        ]
        assert texts(installs=installs) == [
            "install 1: done, 48 rasps found",
            "install 2: done, 43 rasps found, 5 missing",
            "install 3: failed: no DHCP server",
            "replace 4: done, 03-2",
            "install 5: running",
        ]
        by_time = events_of(installs=installs)[::-1]
        assert [event.level for event in by_time] == ["", "warning", "warning", "", ""]
        assert by_time[3].kind is ActivityKind.REPLACEMENT

    def test_run_has_its_verdict_or_its_state_and_concerns_the_stacks_of_its_orders(self) -> None:
        lost = RunVerdict(VerdictResult.LOST)
        runs = [
            RunHeader(4, "raft", 7, "anna", RunState.DONE, NOW, verdict=lost),
            RunHeader(5, "raft", 7, "anna", RunState.ABORTED, NOW + 1, reason="03-1 is hot"),
        ]
        orders = [order(9, "power_cycle", "03", at=2, actor="experiment 4")]
        assert texts(runs=runs, orders=orders)[:2] == [
            "run 4: raft: lost",
            "run 5: raft: aborted: 03-1 is hot",
        ]
        assert events_of(runs=runs, orders=orders)[-1].stacks == (3,)

    def test_logins_and_wrong_passwords_name_the_user_and_the_address(self) -> None:
        login = AuditEvent("alice", "10.23.0.9", "log in", "", "ok")
        wrong = AuditEvent("alice", "10.23.0.9", "log in", "", "refused", WRONG_PASSWORD)
        logout = AuditEvent("alice", "", "log out", "", "ok")
        logins = [
            AuditRecord(number, NOW + number, event, count, NOW + number)
            for number, event, count in [(1, login, 2), (2, wrong, 1), (3, logout, 1)]
        ]
        assert texts(logins=logins) == [
            "alice logged in from 10.23.0.9, 2 times within an hour",
            "wrong password for alice from 10.23.0.9",
            "alice logged out",
        ]


class TestCauses:
    def test_an_order_causes_its_edges_and_the_changes_of_its_rasps(self) -> None:
        found = causes(
            orders=[order(12, "power_cycle", "03")],
            edges=[edge(1, 3, is_on=False, at=5, cause="order 12")],
            changes=[
                state_changes("03-2", (10, OFF), (90, UP)),
                first_uptimes("03-2", (90, 15.0)),
                state_changes("04-1", (10, DOWN)),
            ],
        )
        assert found["stack 03 off"] == found["03-2 booted"] == ("order 12", "alice")
        assert found["03-2 off"] == ("order 12", "alice")
        assert found["04-1 down"] == ("", "")

    def test_a_rasp_that_fails_long_after_an_order_has_no_cause(self) -> None:
        late = 30 + RACK.orders.boot_seconds + 60
        found = causes(
            orders=[order(12, "reboot", "03-2")],
            changes=[state_changes("03-2", (20, DOWN), (60, UP), (late, OFF))],
        )
        assert found["03-2 down"] == found["03-2 up"] == ("order 12", "alice")
        assert found["03-2 off"] == ("", "")

    def test_a_change_just_before_an_order_is_not_caused_by_it(self) -> None:
        found = causes(
            orders=[order(12, "power_off", "03"), order(13, "power_cycle", "03", at=40)],
            changes=[state_changes("03-2", (38, OFF))],
        )
        assert found["03-2 off"] == ("order 12", "alice")

    def test_reading_a_rasp_causes_no_change(self) -> None:
        found = causes(
            orders=[order(12, "read", "03-2")], changes=[state_changes("03-2", (10, DOWN))]
        )
        assert found["03-2 down"] == ("", "")

    def test_an_order_on_one_rasp_does_not_change_its_neighbors(self) -> None:
        found = causes(
            orders=[order(12, "reboot", "03-2")],
            changes=[state_changes("03-1", (10, DOWN)), state_changes("03-2", (10, DOWN))],
        )
        assert found["03-1 down"] == ("", "")
        assert found["03-2 down"] == ("order 12", "alice")

    def test_edges_of_an_install_belong_to_the_latest_one_before_them(self) -> None:
        found = causes(
            installs=[install(3, at=-4000), install(4, at=-10, seconds=None)],
            edges=[edge(1, 3, is_on=False, cause="install")],
            changes=[state_changes("03-2", (5, OFF))],
        )
        assert found["stack 03 off"] == found["03-2 off"] == ("install 4", "bob")

    def test_orders_of_an_experiment_and_their_changes_belong_to_the_run(self) -> None:
        found = causes(
            orders=[order(12, "power_cycle", "03", actor="experiment 4")],
            edges=[edge(1, 3, is_on=False, at=5, cause="order 12")],
        )
        assert {cause for cause, _ in found.values()} == {"run 4"}


class TestFilter:
    EVENTS = events_of(
        orders=[order(1, "power_cycle", "03"), order(2, "reboot", "04-1", at=1)],
        edges=[edge(1, 3, is_on=False, at=2, cause="order 1")],
        changes=[state_changes("03-2", (300, DOWN))],
    )

    def ids(self, **conditions: object) -> list[str]:
        wanted = ActivityFilter(**conditions)  # type: ignore[arg-type]
        return [event.id for event in self.EVENTS if wanted.matches(event)]

    def test_kinds_select_events(self) -> None:
        assert self.ids(kinds=frozenset({ActivityKind.ORDER})) == ["order-2", "order-1"]

    def test_a_rasp_selects_its_events_and_those_of_its_stack(self) -> None:
        ids = self.ids(targets=frozenset({(3, 2)}))
        assert ids == [f"state-03-2-{NOW + 300:.0f}", "edge-1", "order-1"]
        assert self.ids(targets=frozenset({(3, 1)})) == ["edge-1", "order-1"]

    def test_a_stack_selects_its_events_and_those_of_its_rasps(self) -> None:
        assert self.ids(targets=frozenset({(4, None)})) == ["order-2"]
        assert len(self.ids(targets=frozenset({(3, None), (4, None)}))) == 4

    def test_an_actor_selects_what_they_caused(self) -> None:
        assert self.ids(actor="ALI") == ["edge-1", "order-2", "order-1"]
        assert self.ids(actor="bob") == []


def power_events(*seconds: float) -> list[Event]:
    edges = [edge(number, 3, is_on=True, at=at) for number, at in enumerate(seconds, 1)]
    return events_of(edges=edges)


class TestPages:
    def test_pages_contain_each_event_once(self) -> None:
        events, end = power_events(*range(7)), math.inf
        seen: list[Event] = []
        while True:
            remaining = [event for event in events if event.time <= end]
            page, older_end = first_page(remaining, 3, NOW - 1, NOW - 1)
            seen += page
            if older_end is None:
                break
            end = older_end
        assert seen == events

    def test_events_at_the_same_time_are_on_the_same_page(self) -> None:
        page, older_end = first_page(power_events(1, 2, 2, 2, 3), 2, NOW, NOW)
        assert [event.time - NOW for event in page] == [3]
        assert older_end == NOW + 2
        page, older_end = first_page(power_events(1, 2, 2, 2), 2, NOW, NOW)
        assert [event.time - NOW for event in page] == [2, 2, 2]
        assert older_end is not None
        assert NOW + 1 < older_end < NOW + 2

    def test_a_page_ends_where_a_source_has_further_rows(self) -> None:
        page, older_end = first_page(power_events(1, 2, 3, 4), 10, NOW, NOW + 2)
        assert [event.time - NOW for event in page] == [4, 3]
        assert older_end == NOW + 2
