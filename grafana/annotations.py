"""Annotations of power cuts, boots, installs, orders, runs and faults in all graphs."""

from grafana.json_format import Json
from grafana.queries import (
    CONTROLLER,
    CONTROLLER_STACK,
    DATASOURCE,
    RASP,
    RASP_LABELS,
    RASPS_IN_RACK,
    RASPS_IN_STACK,
)
from rack.layout import Rack

_JUST_BOOTED_SECONDS = 60
_BLUE, _PURPLE, _YELLOW, _GREY = "#5794f2", "#b877d9", "#e0b400", "#9fa7b3"
_GREEN, _RED = "#73bf69", "#f2495c"


def _annotation(name: str, color: str, condition: str, title: str, *tag_labels: str) -> Json:
    """Return an annotation. The values of the labels in `tag_labels` are displayed as tags."""
    # The query returns only the value 1, because Grafana versions treat other values differently.
    expression = f"({condition}) == 1"
    return {
        "name": name,
        "datasource": DATASOURCE,
        "enable": True,
        "iconColor": color,
        # Grafana 11 and newer use `target`. Older versions use `expr`.
        "target": {"refId": "Anno", "expr": expression, "range": True, "instant": False},
        "expr": expression,
        "titleFormat": title,
        "tagKeys": ",".join(tag_labels),
    }


# Each query covers a whole step, because in a long time range, a step is longer than an event.


def _power_cuts(selector: str) -> Json:
    power = f"min_over_time(pirack_stack_power_state{{{selector}}}[$__rate_interval])"
    is_off = f"min by (rack, stack) ({power}) == bool 0"
    return _annotation("Power cuts", _GREY, is_off, "Stack {{stack}} switched off", "stack")


def _cuts_of_rasps(selector: str) -> Json:
    outlets = f'pirack_outlet_power_state{{{selector},slot!=""}}'
    power = f"min_over_time({outlets}[$__rate_interval])"
    is_off = f"min by (rack, stack, slot) ({power}) == bool 0"
    return _annotation(
        "Power cuts of rasps",
        _GREY,
        is_off,
        "Outlet of {{stack}}-{{slot}} switched off",
        "stack",
        "slot",
    )


def _boots(selector: str) -> Json:
    up_for = f"min_over_time(pirack_uptime_seconds{{{selector}}}[$__rate_interval])"
    booted = f"min by ({RASP_LABELS}) ({up_for}) < bool {_JUST_BOOTED_SECONDS}"
    return _annotation("Boots", _YELLOW, booted, "{{rasp}} booted", "stack", "rasp")


def _installs() -> Json:
    running = f"max_over_time(pirack_install_running{{{CONTROLLER}}}[$__rate_interval])"
    return _annotation("Installs", _PURPLE, f"max by (rack) ({running})", "Install running", "rack")


def _orders() -> Json:
    finished = f"increase(pirack_orders_total{{{CONTROLLER}}}[$__rate_interval])"
    any_finished = f"sum by (action, result) ({finished}) > bool 0"
    return _annotation(
        "Orders", _BLUE, any_finished, "Order {{action}}: {{result}}", "action", "result"
    )


def _runs(selector: str) -> Json:
    numbers = f"max_over_time(pirack_experiment_stack_run{{{selector}}}[$__rate_interval]) > 0"
    is_active = f'count_values by (rack) ("run", {numbers}) > bool 0'
    return _annotation("Runs", _GREEN, is_active, "Run {{run}} of an experiment", "run")


def _faults() -> Json:
    injected = f"increase(pirack_experiment_faults_total{{{CONTROLLER}}}[$__rate_interval])"
    return _annotation(
        "Faults", _RED, f"sum by (kind) ({injected}) > bool 0", "Fault: {{kind}}", "kind"
    )


def for_rack(rack: Rack) -> list[Json]:
    """Return the annotations of a rack."""
    return _annotations(rack, CONTROLLER, RASPS_IN_RACK)


def for_stack(rack: Rack) -> list[Json]:
    """Return the annotations of a stack."""
    return _annotations(rack, CONTROLLER_STACK, RASPS_IN_STACK)


def for_rasp(rack: Rack) -> list[Json]:
    """Return the annotations of a rasp."""
    return _annotations(rack, CONTROLLER_STACK, RASP)


def _annotations(rack: Rack, stacks: str, rasps: str) -> list[Json]:
    has_own_outlets = any(stack.has_outlet_per_slot for stack in rack.stacks)
    return [
        _power_cuts(stacks),
        *([_cuts_of_rasps(stacks)] if has_own_outlets else []),
        _boots(rasps),
        _installs(),
        _orders(),
        _runs(stacks),
        _faults(),
    ]
