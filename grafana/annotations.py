"""What happened, drawn over all curves: power cuts, boots, installs and orders."""

from grafana.json_format import Json
from grafana.queries import DATASOURCE, IN_RACK, IN_STACK, OF_RASP, RASP_LABELS

_JUST_BOOTED_SECONDS = 60
_BLUE, _PURPLE, _YELLOW, _GREY = "#5794f2", "#b877d9", "#e0b400", "#9fa7b3"


def _annotation(name: str, color: str, condition: str, title: str) -> Json:
    # Grafana marks the times at which a series is 1, some versions also where it is more or less.
    expression = f"({condition}) == 1"
    return {
        "name": name,
        "datasource": DATASOURCE,
        "enable": True,
        "iconColor": color,
        # Grafana from 11 asks what the target says, earlier ones what the annotation does.
        "target": {"refId": "Anno", "expr": expression, "range": True, "instant": False},
        "expr": expression,
        "titleFormat": title,
    }


# Over a day and more a step is longer than what happened: so each looks back to the step before it.


def _power_cuts(selector: str) -> Json:
    power = f"min_over_time(pirack_stack_power_state{{{selector}}}[$__rate_interval])"
    is_off = f"min by (rack, stack) ({power}) == bool 0"
    return _annotation("Power cuts", _GREY, is_off, "Stack {{stack}} is switched off")


def _boots(selector: str) -> Json:
    up_for = f"min_over_time(pirack_uptime_seconds{{{selector}}}[$__rate_interval])"
    has_booted = f"min by ({RASP_LABELS}) ({up_for}) < bool {_JUST_BOOTED_SECONDS}"
    return _annotation("Boots", _YELLOW, has_booted, "{{rasp}} booted")


def _installs() -> Json:
    running = f"max_over_time(pirack_install_running{{{IN_RACK}}}[$__rate_interval])"
    return _annotation("Installs", _PURPLE, f"max by (rack) ({running})", "An install runs")


def _orders() -> Json:
    ended = f"increase(pirack_orders_total{{{IN_RACK}}}[$__rate_interval])"
    have_ended = f"sum by (action, result) ({ended}) > bool 0"
    return _annotation("Orders", _BLUE, have_ended, "Order {{action}}: {{result}}")


def for_rack() -> list[Json]:
    """Return what happened to a rack."""
    return [_power_cuts(IN_RACK), _boots(IN_RACK), _installs(), _orders()]


def for_stack() -> list[Json]:
    """Return what happened to a stack."""
    return [_power_cuts(IN_STACK), _boots(IN_STACK), _installs(), _orders()]


def for_rasp() -> list[Json]:
    """Return what happened to a rasp."""
    return [_power_cuts(IN_STACK), _boots(OF_RASP), _installs(), _orders()]
