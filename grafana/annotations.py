"""What happened, drawn over all curves: power cuts, boots, installs and orders."""

from grafana.queries import DATASOURCE, IN_RACK, IN_STACK, OF_RASP
from grafana.readable import Json

_BLUE, _PURPLE, _YELLOW, _GREY = "#5794f2", "#b877d9", "#e0b400", "#9fa7b3"


def _annotation(name: str, colour: str, expression: str, title: str, **more: object) -> Json:
    return {
        "name": name,
        "datasource": DATASOURCE,
        "enable": True,
        "iconColor": colour,
        # Grafana from 11 asks what the target says, earlier ones what the annotation does.
        "target": {"refId": "Anno", "expr": expression, "range": True, "instant": False},
        "expr": expression,
        "titleFormat": title,
        **more,
    }


def _power_cuts(place: str) -> Json:
    cuts = f"max by (rack, stack) (pirack_stack_power_state{{{place}}}) == 0"
    return _annotation("Power cuts", _GREY, cuts, "Stack {{stack}} is switched off")


def _boots(place: str) -> Json:
    # The reading is itself the time: an event stands where the rasp's clock says that it booted.
    boots = f"max by (rack, stack, slot, rasp) (pirack_boot_time_seconds{{{place}}}) * 1000"
    return _annotation("Boots", _YELLOW, boots, "{{rasp}} booted", useValueForTime=True)


def _installs() -> Json:
    running = f"max by (rack) (pirack_install_running{{{IN_RACK}}}) == 1"
    return _annotation("Installs", _PURPLE, running, "An install runs")


def _orders() -> Json:
    ended = f"increase(pirack_orders_total{{{IN_RACK}}}[$__rate_interval])"
    expression = f"sum by (action, result) ({ended}) > 0"
    return _annotation("Orders", _BLUE, expression, "Order {{action}}: {{result}}")


def of_rack() -> list[Json]:
    """Return what happened to a rack."""
    return [_power_cuts(IN_RACK), _boots(IN_RACK), _installs(), _orders()]


def of_stack() -> list[Json]:
    """Return what happened to a stack."""
    return [_power_cuts(IN_STACK), _boots(IN_STACK), _installs(), _orders()]


def of_rasp() -> list[Json]:
    """Return what happened to a rasp."""
    return [_power_cuts(IN_STACK), _boots(OF_RASP), _installs(), _orders()]
