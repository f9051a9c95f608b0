"""Groups of events."""

from controller.activity.folding import EventGroup, fold
from controller.activity.timeline import ActivitySources, build_events
from tests.controller.activity.events import (
    DOWN,
    UNKNOWN,
    alert_changes,
    edge,
    install,
    order,
    state_changes,
)
from tests.controller.fakes import RACK


def groups_of(**sources: object) -> list[EventGroup]:
    return fold(build_events(ActivitySources(**sources), RACK, {"power_off"}))  # type: ignore[arg-type]


def titles(groups: list[EventGroup]) -> list[tuple[str, str]]:
    return [(group.title, group.detail) for group in groups]


def test_an_order_is_shown_with_what_it_changed() -> None:
    [group] = groups_of(
        orders=[order(12, "power_off", "03", "04")],
        edges=[edge(number, number, is_on=False, at=5, cause="order 12") for number in (3, 4)],
        changes=[state_changes("03-1", (12, DOWN))],
    )
    assert titles([group]) == [("order 12: power off stacks 03, 04: ok", "2 stacks off, 03-1 down")]
    assert (len(group.events), group.level, group.id) == (4, "critical", "order-12")


def test_without_the_event_of_the_cause_its_name_is_shown() -> None:
    events = build_events(
        ActivitySources(
            installs=[install(3)],
            edges=[
                edge(number, stack, is_on=False, at=number, cause="install")
                for number, stack in enumerate([*range(1, 13), 1, 2], start=1)
            ],
        ),
        RACK,
        (),
    )
    [group] = fold(event for event in events if event.kind == "power")
    assert titles([group]) == [("12 stacks off", "install 3")]
    assert len(group.events) == 14


def test_other_events_between_those_of_a_cause_stay_in_the_order_of_time() -> None:
    groups = groups_of(
        edges=[
            edge(1, 3, is_on=False, at=1, cause="order 12"),
            edge(2, 4, is_on=False, at=2, cause="order 13"),
            edge(3, 3, is_on=True, at=3, cause="order 12"),
        ]
    )
    assert titles(groups) == [
        ("stack 03 off, stack 03 on", "order 12"),
        ("stack 04 off", ""),
    ]


def test_equal_changes_at_the_same_time_are_folded_without_a_cause() -> None:
    series = [state_changes(f"03-{slot}", (slot * 10, UNKNOWN)) for slot in (1, 2, 3, 4)]
    assert titles(groups_of(changes=series)) == [("4 rasps unknown", "")]
    apart = [state_changes(f"03-{slot}", (slot * 100, UNKNOWN)) for slot in (1, 2, 3)]
    assert len(groups_of(changes=apart)) == 3
    assert len(groups_of(changes=series[:2])) == 2


def test_alerts_and_states_with_the_same_words_are_not_folded_together() -> None:
    series = [
        state_changes("03-1", (0, DOWN)),
        state_changes("03-2", (0, DOWN)),
        alert_changes("PiRackRaspDown", (10, 1), rasp="03-1"),
    ]
    assert len(groups_of(changes=series)) == 3
