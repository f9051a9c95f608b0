"""The check of the wiring, with the states of a rack."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

import pytest

from controller.doctor.finding import Finding, FindingSeverity, NotCheckedError
from controller.doctor.wiring import check_wiring
from controller.state.build import STATE_SERIES, build_rack_state
from controller.state.prometheus import Sample
from rack.power.commanded_power import CommandedPower
from tests.controller.fakes import INSTALLED, RACK
from tests.helpers.layouts import pin_of

NOW = 10_000.0
UP, DOWN = 1.0, 0.0


def findings_for(
    commanded: Mapping[int, bool], responding: Iterable[int], reserved: Iterable[int] = ()
) -> list[Finding]:
    """Return the findings if these stacks were switched, and the rasps of others respond."""
    on = set(responding)
    samples = [
        Sample(
            {"__name__": STATE_SERIES, "stack": slot.stack_name, "slot": str(slot.number)},
            UP if slot.stack in on else DOWN,
        )
        for slot in RACK.slots
    ]
    power = {
        RACK.outlet(stack): CommandedPower(is_on, NOW - 1000, "boot")
        for stack, is_on in commanded.items()
    }
    return check_wiring(
        build_rack_state(
            RACK,
            INSTALLED,
            samples,
            commanded=power,
            reserved_by=dict.fromkeys(reserved, "order 7"),
            now=NOW,
        )
    )


def test_stacks_that_do_the_opposite_are_found_until_the_setting_is_right() -> None:
    [finding] = findings_for({1: False, 2: False, 3: True}, responding=[1, 2])
    assert finding.severity is FindingSeverity.ERROR
    assert finding.problem == (
        "stacks 1, 2 were switched off, but rasps respond; stack 3 was switched on, but no rasp"
        " responds: the polarity or the contact in rack.toml is wrong"
    )
    assert 'otherwise "normally_open" (now "normally_closed")' in finding.fix
    assert "set relays.active_high = false (now true)" in finding.fix
    assert "`sudo python3 -m deploy.install_master`" in finding.fix
    assert findings_for({1: False, 2: False, 3: True}, responding=[3]) == []


def test_rack_that_is_on_and_silent_can_also_lack_its_supply() -> None:
    [finding] = findings_for({1: True, 2: True}, responding=[])
    assert finding.severity is FindingSeverity.WARNING
    assert finding.fix.endswith("the supply or the switch has failed")


def test_exchanged_pins_are_found() -> None:
    findings = findings_for({1: True, 2: False, 3: True}, responding=[1, 2])
    assert "their pins may be exchanged" in findings[0].problem
    assert f"the pins {pin_of(RACK.stack(2))} (stack 2) and {pin_of(RACK.stack(3))} (stack 3)" in (
        findings[0].fix
    )
    assert len(findings) == 3


def test_single_stack_that_stays_on_is_found_with_its_own_fix() -> None:
    [finding] = findings_for({1: True, 2: False, 3: True}, responding=[1, 2, 3])
    assert finding.problem.startswith("stack 2: switched off, but 02-1, 02-2")
    assert finding.fix.startswith("pull the plug of the stack, then check its relay")
    assert findings_for({1: True, 2: False, 3: True}, responding=[1, 3]) == []


def test_stacks_that_an_order_uses_are_not_judged() -> None:
    assert findings_for({1: False, 2: False}, responding=[1, 2], reserved=[1, 2]) == []


def test_relay_that_was_moved_is_found_with_both_orders() -> None:
    power = CommandedPower(is_on=True, since=0.0, boot_id="boot", outlet_differs=True)
    state = build_rack_state(RACK, INSTALLED, [], commanded={RACK.outlet(3): power}, now=NOW)
    [finding] = check_wiring(state)
    assert finding.fix == "`pirack power on 3` or `pirack power off 3`, as you need it"


def test_wiring_is_not_checked_without_prometheus() -> None:
    state = build_rack_state(RACK, INSTALLED, [], "Prometheus cannot be reached")
    with pytest.raises(NotCheckedError, match="Prometheus cannot be reached") as error:
        check_wiring(replace(state))
    assert "`sudo systemctl restart prometheus`" in error.value.fix
