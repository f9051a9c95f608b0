"""Check the keys of a plan file that depend on each other, or on the actions of the rasps."""

import re
from collections.abc import Collection, Mapping

from controller.errors import PlanError
from controller.experiments.picking import PICKS
from controller.experiments.plan import POWER_KINDS, FaultKind
from controller.experiments.plan_file import FaultSettings, PlanFile, parse_span
from controller.orders.actions import SHUTDOWN, Action

REBOOT = "reboot"
"""Action of aliases.ini with which the fault `reboot` restarts rasps."""

_PLACE = re.compile(r"[a-z][a-z0-9_]{0,62}")
_REQUIRED_ACTIONS: Mapping[FaultKind, str] = {"shutdown": SHUTDOWN, "reboot": REBOOT}


def check_keys(plan_file: PlanFile, file: str, actions: Collection[Action]) -> None:
    """Check keys that depend on each other, or on the actions.

    Args:
        plan_file: The parsed file.
        file: Name of the file.
        actions: Actions for rasps. Built-in actions are ignored.

    Raises:
        PlanError: If a key is missing or does not fit the others, or an action is not available.
    """
    by_name = {action.name: action for action in actions if action.command is not None}
    for key, action in (("start", plan_file.start), ("stop", plan_file.stop)):
        if action:
            _check_action(file, key, action, by_name)
    _check_check(file, plan_file)
    for name in plan_file.place:
        if name in PICKS or not _PLACE.fullmatch(name):
            raise PlanError(
                file,
                f"place.{name if _PLACE.fullmatch(name) else repr(name[:60])}",
                "the name of a place is not valid",
                f"use a to z, 0 to 9 and underscore, and none of {', '.join(PICKS)}",
            )
    for index, fault in enumerate(plan_file.fault, start=1):
        _check_fault(file, f"fault[{index}]", fault, by_name)


def _check_check(file: str, plan_file: PlanFile) -> None:
    check = plan_file.check
    for name, kind, value in (
        ("command", "command", check.command),
        ("query", "promql", check.query),
    ):
        if check.kind == kind and not value:
            raise PlanError(
                file, f"check.{name}", "missing", f"write it in a table [check]: {name} = …"
            )
        if check.kind != kind and value:
            raise PlanError(
                file,
                f"check.{name}",
                f"the kind {check.kind} has no {name}",
                f'remove the key, or set kind to "{kind}"',
            )
    if check.kind == "set" and not plan_file.client:
        raise PlanError(
            file,
            "client",
            'missing, but check = "set" needs its history',
            "set it to a command that writes {history}, or remove check",
        )


def _check_fault(file: str, key: str, fault: FaultSettings, actions: Mapping[str, Action]) -> None:
    _check_off(file, f"{key}.off", fault)
    if fault.kind == "action":
        _check_action(file, f"{key}.action", fault.action, actions)
    elif fault.action:
        raise PlanError(
            file,
            f"{key}.action",
            f"the kind {fault.kind} has no action",
            'remove the key, or set kind to "action"',
        )
    required = _REQUIRED_ACTIONS.get(fault.kind)
    if required is not None and required not in actions:
        raise PlanError(
            file,
            f"{key}.kind",
            f"aliases.ini has no action {required}, which the kind {fault.kind} runs",
            f"add {required} to [actions] of aliases.ini, or use another kind",
        )


def _check_off(file: str, key: str, fault: FaultSettings) -> None:
    cuts_power = fault.kind in POWER_KINDS
    if cuts_power and not fault.off:
        raise PlanError(file, key, "missing", 'set it to the time without power, such as "2..4 s"')
    if not cuts_power and fault.off:
        raise PlanError(
            file, key, f"the kind {fault.kind} does not cut the power", "remove the key"
        )
    if fault.off and parse_span(fault.off).low <= 0:
        raise PlanError(file, key, "0 s is no power cut", "use a time above 0 s")


def _check_action(file: str, key: str, name: str, actions: Mapping[str, Action]) -> None:
    usable = sorted(action.name for action in actions.values() if not action.is_disruptive)
    if name in usable:
        return
    hint = "add it to [actions] of aliases.ini"
    if usable:
        hint = f"use one of {', '.join(usable)}, or {hint}"
    if not name:
        raise PlanError(file, key, "missing", hint)
    if name not in actions:
        raise PlanError(file, key, f"aliases.ini has no action {name[:60]!r}", hint)
    raise PlanError(
        file,
        key,
        f"the action {name!r} takes rasps down",
        'use a fault of the kind "reboot" or "shutdown" instead',
    )
