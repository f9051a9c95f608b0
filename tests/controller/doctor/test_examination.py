"""Examinations: bounded, never silent, one at a time."""

import threading
from collections.abc import Callable, Iterable
from itertools import count

import pytest

from controller.doctor.examination import DoctorReport, Examiner
from controller.doctor.finding import Check, Finding, FindingSeverity, NotCheckedError
from controller.doctor.service import Doctor, ExaminationError
from tests.helpers.waiting import TIMEOUT_SECONDS, wait_until


def check(name: str, run: Callable[[], Iterable[Finding]]) -> Check:
    return Check(name, "it matters", run)


def finding(name: str, severity: FindingSeverity) -> Finding:
    return Finding(name, severity, "a problem", "a reason", "a fix")


def raise_error(error: Exception) -> Iterable[Finding]:
    raise error


def test_findings_are_sorted_by_severity_and_all_checks_are_named() -> None:
    severities = (FindingSeverity.WARNING, FindingSeverity.ERROR)
    checks = [
        check("one", lambda: [finding("one", severity) for severity in severities]),
        check("two", list),
    ]
    report = Examiner(checks, clock=lambda: 7.0).examine()
    assert report.checks == ("one", "two")
    assert [each.severity for each in report.findings] == ["error", "warning"]
    assert report.examined_at == 7.0


def test_check_that_cannot_be_made_is_a_finding_with_its_reason() -> None:
    checks = [
        check("one", lambda: raise_error(NotCheckedError("no log", "install it"))),
        check("two", lambda: raise_error(PermissionError("not allowed"))),
    ]
    first, second = Examiner(checks).examine().findings
    assert (first.severity, first.problem, first.reason, first.fix) == (
        FindingSeverity.NOT_CHECKED,
        "no log",
        "it matters",
        "install it",
    )
    assert (second.severity, second.problem) == (FindingSeverity.NOT_CHECKED, "not allowed")


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_check_with_a_defect_is_not_checked() -> None:
    checks = [check("one", lambda: raise_error(ZeroDivisionError()))]
    [result] = Examiner(checks).examine().findings
    assert (result.severity, result.problem) == (FindingSeverity.NOT_CHECKED, "the check failed")


def test_check_that_does_not_end_is_bounded_and_not_started_again() -> None:
    may_end, starts = threading.Event(), count()

    def hang() -> Iterable[Finding]:
        next(starts)
        may_end.wait(TIMEOUT_SECONDS)
        return ()

    examiner = Examiner([check("slow", hang), check("quick", list)], seconds=0.05)
    for _ in range(3):
        [result] = examiner.examine().findings
        assert (result.check, result.problem) == ("slow", "the check did not end in time")
    assert next(starts) == 1
    may_end.set()
    wait_until(lambda: examiner.examine().findings == ())


def report_of(number: int) -> DoctorReport:
    return DoctorReport(float(number), (), ())


def test_page_does_not_wait_and_requests_share_an_examination() -> None:
    may_end, numbers, now = threading.Event(), count(1), [0.0]

    def examine() -> DoctorReport:
        may_end.wait(TIMEOUT_SECONDS)
        return report_of(next(numbers))

    doctor = Doctor(examine, clock=lambda: now[0])
    assert doctor.latest() is None
    may_end.set()
    wait_until(lambda: doctor.latest() == report_of(1))
    assert doctor.report() == report_of(1)
    now[0] += 6.0
    assert doctor.report() == report_of(2)
    assert doctor.latest() == report_of(2)
    now[0] += 61.0
    assert doctor.latest() == report_of(2)
    wait_until(lambda: doctor.latest() == report_of(3))


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_failed_examination_is_an_error() -> None:
    def fail() -> DoctorReport:
        raise ZeroDivisionError

    with pytest.raises(ExaminationError, match="read the log of the controller"):
        Doctor(fail).report()
    # pytest receives the exception at the end of the thread.
    wait_until(lambda: "doctor" not in {thread.name for thread in threading.enumerate()})
