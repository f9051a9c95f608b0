"""Check that the outlets of power sources, such as PoE switches and plugs, can be read."""

from collections.abc import Iterable

from controller.doctor.finding import Finding, FindingSeverity, NotCheckedError
from controller.state.model import OutletState, PowerState, RackState, source_error
from rack.layout import GPIO

NAME = "power_sources"

_GUIDE = "docs/runbooks/PiRackOutletUnreachable.md"


def check_power_sources(state: RackState) -> list[Finding]:
    """Return a finding for each problem of a power source, with the outlets that have it.

    Raises:
        NotCheckedError: If outlets were not read, because the controller does not run.
    """
    outlets = [
        outlet for stack in state.stacks for outlet in stack.outlets if outlet.outlet.source != GPIO
    ]
    if unread := list(dict.fromkeys(each.outlet.source for each in outlets if _is_unread(each))):
        raise NotCheckedError(
            f"the outlets of {', '.join(unread)} were not read yet",
            "start the controller, and run `pirack doctor` a minute later",
        )
    names: dict[str, list[str]] = {}
    for each in outlets:
        if each.error:
            names.setdefault(source_error(each.outlet, each.error), []).append(each.outlet.name)
    return [_finding(error, affected) for error, affected in names.items()]


def _is_unread(state: OutletState) -> bool:
    return state.observed is PowerState.UNKNOWN and not (state.error or state.detail)


def _finding(error: str, outlets: Iterable[str]) -> Finding:
    problem, _, fix = error.rpartition(": ")
    return Finding(
        NAME,
        FindingSeverity.ERROR,
        problem=problem,
        reason=f"the power of {', '.join(outlets)} is unknown, and orders for it fail",
        fix=f"{fix}. See {_GUIDE}",
    )
