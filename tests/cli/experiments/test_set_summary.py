"""Tests of the line about the result of the check `set`."""

from cli.experiments.models import ApiRunEvent
from cli.experiments.power_cuts import PowerCut, power_cuts
from cli.experiments.set_check import AcknowledgedWrite, SetResult
from cli.experiments.set_summary import summary


def lost(*seconds: float, acknowledged: int = 48_210) -> SetResult:
    writes = tuple(
        AcknowledgedWrite(value, round(time * 1e9)) for value, time in enumerate(sorted(seconds))
    )
    return SetResult(acknowledged, acknowledged, writes)


def edge(
    stack: int,
    fault: int | None,
    after: float | None,
    *,
    is_on: bool = False,
    kind: str = "edge",
    rasp: str | None = None,
) -> ApiRunEvent:
    return ApiRunEvent(
        number=1,
        time=1.8e9,
        monotonic=500.0,
        kind=kind,
        text="",
        fault=fault,
        stack=stack,
        rasp=rasp,
        is_on=is_on,
        planned=None,
        before=None,
        after=after,
    )


def test_loss_is_described_with_the_time_before_the_cut() -> None:
    times = [10.0 + number * 0.05 for number in range(12)]
    assert summary(lost(*times), [PowerCut((4,), 10.8)]) == (
        "12 of 48,210 acknowledged writes, acknowledged at most 0.8 s before stack 04 was cut"
    )


def test_time_before_the_cut_is_an_upper_bound() -> None:
    cut = [PowerCut((4,), 20.0)]
    assert "at most 0.8 s before" in summary(lost(19.21), cut)
    assert "at most 0.9 s before" in summary(lost(19.199), cut)
    assert "at most 0.9 s before" in summary(lost(19.21), cut, clock_error=0.02)
    assert "at most 15 s before" in summary(lost(5.5), cut)


def test_write_within_the_error_of_the_clock_counts_as_before_the_cut() -> None:
    cut = [PowerCut((4,), 20.0)]
    assert summary(lost(20.01), cut, clock_error=0.05).endswith(
        "acknowledged at most 0.1 s before stack 04 was cut"
    )
    assert summary(lost(20.01), cut).endswith(", 1 acknowledged after the last cut")


def test_losses_before_several_cuts_are_counted_for_each() -> None:
    cuts = [PowerCut((1, 2, 3), 10.0), PowerCut((4,), 20.0)]
    assert summary(lost(9.5, 15.0, 19.0, 21.0, acknowledged=90), cuts) == (
        "4 of 90 acknowledged writes, 1 acknowledged at most 0.5 s before stacks 01 02 03 were"
        " cut, 2 acknowledged at most 5.0 s before stack 04 was cut, 1 acknowledged after the last"
        " cut"
    )


def test_line_stays_short_with_many_cuts() -> None:
    cuts = [PowerCut((number,), float(number)) for number in range(1, 50)]
    line = summary(lost(*(number - 0.5 for number in range(1, 50))), cuts)
    assert line.endswith("before stack 03 was cut, 46 before other cuts")


def test_loss_without_a_cut_has_no_time() -> None:
    assert summary(lost(1.0, 2.0)) == "2 of 48,210 acknowledged writes"


def test_other_violations_are_counted() -> None:
    result = SetResult(9, 8, (), duplicated=(1, 2), invented=(3,), failed_but_present=(4,))
    assert summary(result) == (
        "2 elements returned more than once; 1 element returned but never added;"
        " 1 element returned although the add failed"
    )


def test_result_without_violation_says_how_many_writes_were_acknowledged() -> None:
    assert summary(SetResult(50_000, 48_210)) == "48,210 acknowledged writes, none lost"
    assert summary(SetResult(5, 5, is_read=False)).startswith("the history has no read")


def test_stacks_that_one_fault_cuts_are_one_cut() -> None:
    events = [
        edge(4, 2, 130.0),
        edge(1, 1, 110.001),
        edge(2, 1, 110.003),
        edge(1, 1, 112.0, is_on=True),
        edge(1, 1, 110.5, kind="silence"),
    ]
    assert power_cuts(events, 100.0) == [
        PowerCut((1, 2), 110.003 - 100.0),
        PowerCut((4,), 30.0),
    ]


def test_cut_whose_time_was_not_measured_has_the_time_of_its_event() -> None:
    assert power_cuts([edge(4, 1, None)], 100.0) == [PowerCut((4,), 400.0)]


def test_cut_of_rasps_names_the_rasps() -> None:
    events = [edge(3, 1, 110.0, rasp="03-2"), edge(4, 1, 110.5, rasp="04-1"), edge(5, 1, 110.2)]
    [cut] = power_cuts(events, 100.0)
    assert cut == PowerCut((5,), 10.5, ("03-2", "04-1"))
    assert summary(lost(10.0), [cut]).endswith("before stack 05 and 03-2 04-1 were cut")
    assert summary(lost(10.0), [PowerCut((), 10.5, ("03-2",))]).endswith("before 03-2 was cut")
