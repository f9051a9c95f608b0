"""Results of a power-off, derived from what was observed."""

import pytest

from controller.orders.model import Result, StepResult, failed, ok, unknown
from controller.orders.power_group import PowerGroup
from controller.orders.power_results import CutObservation, results_after_cut, results_of_cycle
from rack.layout import Slot
from tests.controller.fakes import RACK

STACK = RACK.stack(5)
GROUP = PowerGroup(STACK)
SHUT_DOWN = CutObservation(ok("was shut down"), replied_before=False, replies_after=False)
SILENT = CutObservation(None, replied_before=False, replies_after=False)
LOST_POWER = CutObservation(None, replied_before=True, replies_after=False)
STILL_UP = CutObservation(None, replied_before=True, replies_after=True)
NOT_PINGED = CutObservation(None, replied_before=False, replies_after=None)


def observed(*observations: CutObservation) -> dict[Slot, CutObservation]:
    return dict(zip(STACK.slots, observations, strict=False))


@pytest.mark.parametrize(
    ("observations", "result", "detail"),
    [
        ([SHUT_DOWN, SHUT_DOWN], Result.OK, "power cut commanded, not observed: its rasps were"),
        ([SILENT], Result.OK, "power cut commanded, not observed: its rasps were"),
        ([LOST_POWER, SILENT], Result.OK, "power cut observed: 05-1 stopped replying"),
        ([LOST_POWER, STILL_UP], Result.FAILED, "rasps still reply after the cut: the relay is"),
        ([SHUT_DOWN, NOT_PINGED], Result.UNKNOWN, "blackbox_exporter is unavailable"),
        ([], Result.UNKNOWN, "the stack has no installed rasp"),
    ],
)
def test_result_of_a_stack_says_what_was_observed(
    observations: list[CutObservation], result: Result, detail: str
) -> None:
    stack_result = results_after_cut(GROUP, observed(*observations))[STACK]
    assert stack_result.result is result
    assert stack_result.detail.startswith(detail)


@pytest.mark.parametrize(
    ("observation", "expected"),
    [
        (SHUT_DOWN, ok("was shut down")),
        (SILENT, ok("power cut commanded, not observed")),
        (LOST_POWER, ok("its power was cut")),
        (STILL_UP, failed("still replies after the cut")),
        (NOT_PINGED, unknown("blackbox_exporter is unavailable")),
        (
            CutObservation(unknown("was not reachable before"), False, False),
            unknown("was not reachable before; power cut commanded, not observed"),
        ),
        (
            CutObservation(failed("did not shut down within 12 s"), True, False),
            failed("did not shut down within 12 s; its power was cut"),
        ),
    ],
)
def test_result_of_a_rasp_says_what_was_observed(
    observation: CutObservation, expected: StepResult
) -> None:
    results = results_after_cut(GROUP, observed(observation))
    assert results[STACK.slots[0]] == expected


def test_cut_that_one_rasp_shows_applies_to_its_whole_stack() -> None:
    results = results_after_cut(GROUP, observed(LOST_POWER, SILENT))
    assert results[STACK.slots[1]] == ok("its power was cut")


def test_stack_that_was_off_is_reported_as_such_and_welded_contact_is_detected() -> None:
    results = results_after_cut(GROUP, observed(SILENT), was_off=STACK.slots)
    assert results[STACK] == ok("was already switched off, and no rasp replies")
    assert results[STACK.slots[0]] == ok("was already switched off")
    still_up = CutObservation(None, replied_before=False, replies_after=True)
    results = results_after_cut(GROUP, observed(still_up), was_off=STACK.slots)
    assert results[STACK].result is Result.FAILED


def test_outlet_that_reports_the_cut_of_a_silent_stack_is_named() -> None:
    results = results_after_cut(GROUP, observed(SHUT_DOWN, SILENT), read_off=STACK.outlets)
    assert results[STACK] == ok("power cut reported by its outlet: its rasps were already down")
    assert results[STACK.slots[1]] == ok("its power was cut")
    assert results_after_cut(GROUP, {}, read_off=STACK.outlets)[STACK] == ok(
        "power cut reported by its outlet"
    )


def test_rasp_that_still_replies_contradicts_its_outlet() -> None:
    results = results_after_cut(GROUP, observed(STILL_UP), read_off=STACK.outlets)
    assert results[STACK].result is Result.FAILED


def test_boot_after_a_shutdown_confirms_the_power_cut() -> None:
    slot = STACK.slots[0]
    off = results_after_cut(GROUP, observed(SHUT_DOWN))
    booted = results_of_cycle(
        GROUP, off, [slot], {STACK: ok("is on"), slot: ok("reachable after 20 s")}
    )
    assert booted[STACK] == ok("power cut confirmed: 05-1 booted after the shutdown; is on")
    assert booted[slot] == ok("was shut down; reachable after 20 s")
    halted = results_of_cycle(
        GROUP, off, [slot], {STACK: failed("no rasp replies"), slot: failed("no reply")}
    )
    assert halted[STACK] == failed(
        "power cut commanded, not observed: its rasps were already down; no rasp replies"
    )
