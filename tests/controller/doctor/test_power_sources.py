"""The check of the power sources, with the states of a rack."""

from collections.abc import Mapping

import pytest

from controller.doctor.finding import Finding, FindingSeverity, NotCheckedError
from controller.doctor.power_sources import check_power_sources
from controller.state.build import build_rack_state
from rack.layout import Outlet
from rack.power.state import OutletReading
from tests.controller.fakes import RACK
from tests.helpers.plugs import plug_rack

PLUGS = plug_rack()
A, B, C = (PLUGS.outlet(1, 1), PLUGS.outlet(1, 2), PLUGS.outlet(2))
ON = OutletReading(True)


def findings_for(readings: Mapping[Outlet, OutletReading]) -> list[Finding]:
    return check_power_sources(build_rack_state(PLUGS, {}, (), readings=readings))


def unreadable(outlet: Outlet, error: str) -> OutletReading:
    return OutletReading(None, error=f"{outlet.label} (test 10.0.0.2): {error}")


def test_power_source_that_does_not_respond_is_one_finding_with_its_outlets_and_fix() -> None:
    away = "no reply within 5 s: check the switch"
    [finding] = findings_for({A: unreadable(A, away), B: unreadable(B, away), C: ON})
    assert finding.severity is FindingSeverity.ERROR
    assert finding.problem == "plugs (test 10.0.0.2): no reply within 5 s"
    assert finding.reason == "the power of 01-1, 01-2 is unknown, and orders for it fail"
    assert finding.fix == "check the switch. See docs/runbooks/PiRackOutletUnreachable.md"


def test_problems_of_a_power_source_are_separate_findings() -> None:
    readings = {A: unreadable(A, "no reply: x"), B: unreadable(B, "no such port: y"), C: ON}
    assert [finding.fix[0] for finding in findings_for(readings)] == ["x", "y"]


def test_power_sources_that_are_read_and_relays_have_no_finding() -> None:
    assert findings_for({A: ON, B: OutletReading(False), C: ON}) == []
    assert findings_for({A: ON, B: ON, C: OutletReading(None, detail="not read, because …")}) == []
    assert check_power_sources(build_rack_state(RACK, {}, ())) == []


def test_outlets_that_were_not_read_are_not_checked() -> None:
    with pytest.raises(NotCheckedError, match="the outlets of plugs were not read yet"):
        findings_for({A: ON})
