"""Changes of states and alerts, as Prometheus recorded them."""

from controller.activity.recorded import alert_events, state_events
from controller.state.prometheus import Series
from tests.controller.activity.events import (
    DOWN,
    NOW,
    OFF,
    UNKNOWN,
    UP,
    alert_changes,
    first_uptimes,
    state_changes,
)


def states(*series: Series) -> list[tuple[float, str]]:
    """Return the seconds and the text of the events, in the order of time."""
    events = sorted(state_events(series), key=lambda event: event.time)
    return [(event.time - NOW, event.text) for event in events]


def test_each_change_of_a_state_is_an_event() -> None:
    series = state_changes("03-2", (0, UP), (60, DOWN), (70, OFF), (90, UNKNOWN))
    assert states(series) == [
        (0, "03-2 up"),
        (60, "03-2 down"),
        (70, "03-2 off"),
        (90, "03-2 unknown"),
    ]
    levels = {event.change: event.level for event in state_events([series])}
    assert levels == {"up": "", "down": "critical", "off": "", "unknown": "warning"}


def test_a_rasp_that_boots_after_a_silence_has_booted_and_is_not_also_up() -> None:
    changes = state_changes("03-2", (0, DOWN), (60, UP))
    expected = [(0, "03-2 down"), (60, "03-2 booted")]
    # The state is recorded before or after the uptime.
    assert states(changes, first_uptimes("03-2", (63, 20.0))) == expected
    before = states(changes, first_uptimes("03-2", (57, 14.0)))
    assert before == [(0, "03-2 down"), (57, "03-2 booted")]


def test_a_rasp_that_replies_again_without_a_boot_is_up() -> None:
    series = [state_changes("03-2", (0, DOWN), (60, UP)), first_uptimes("03-2", (62, 5000.0))]
    assert states(*series) == [(0, "03-2 down"), (60, "03-2 up")]


def test_a_boot_between_two_scrapes_is_an_event() -> None:
    assert states(first_uptimes("03-2", (60, 4.0))) == [(60, "03-2 booted")]


def test_a_restart_of_prometheus_changes_no_state() -> None:
    series = [
        state_changes("03-2", (0, DOWN), (60, UP), (900, UP)),
        first_uptimes("03-2", (60, 20.0), (900, 860.0)),
    ]
    assert states(*series) == [(0, "03-2 down"), (60, "03-2 booted")]


def test_alert_starts_and_ends_with_what_it_reports() -> None:
    labels = {"rasp": "05-1", "stack": "05", "severity": "critical"}
    start, end = alert_events([alert_changes("PiRackRaspVeryHot", (10, 1), (70, 0), **labels)])
    assert (start.time, start.text, start.level) == (NOW, "05-1 very hot", "critical")
    assert (end.time, end.text, end.level) == (NOW + 60, "05-1 very hot, resolved", "")
    assert start.link == "/rasps/05-1"


def test_an_alert_that_is_recorded_repeatedly_starts_once() -> None:
    series = alert_changes("PiRackRaspHot", (10, 1), (11, 1), (12, 1), (70, 0), (71, 0))
    assert len(alert_events([series])) == 2


def test_alerts_of_stacks_of_the_master_and_of_users_name_what_they_concern() -> None:
    events = alert_events(
        [
            alert_changes("PiRackStackDown", (0, 1), stack="09", severity="critical"),
            alert_changes("PiRackDhcpServerDown", (0, 1), severity="critical"),
            alert_changes("Fan stops", (0, 1), fan="<2>", rasp="../", stack="x"),
        ]
    )
    assert [event.text for event in events] == ["stack 09 down", "DHCP server down", "Fan stops"]
    assert [event.stacks for event in events] == [(9,), (), ()]
    assert [event.link for event in events] == ["/stacks/9", "/alerts", "/alerts"]
    assert events[2].id.isascii()
    assert " " not in events[2].id
