"""Panels of measured power and energy, evaluated by promtool."""

from itertools import chain
from pathlib import Path

import pytest

from grafana.generator import build_dashboards
from grafana.panels import bar_gauge_height
from grafana.power_panels import rack_row
from tests.controller.fakes import RACK
from tests.grafana.dashboard_reader import (
    annotation_queries,
    assert_fills_the_grid,
    panel_queries,
    panels,
    substitute,
)
from tests.grafana.promtool import assert_results
from tests.grafana.racks import make_rack
from tests.helpers.plugs import plug_rack

PLUGS = plug_rack()
DASHBOARDS = build_dashboards(PLUGS)
WITH_PANELS = ("pirack-rack", "pirack-rack-classic", "pirack-stack", "pirack-rasp")
VARIABLES = {"rack": "small", "stack": "01", "rasp": "01-2", "__range": "60s"}

OUTLET = 'job="controller",instance="c",rack="small",stack="01"'
RASP = 'rack="small",stack="01",slot="2",rasp="01-2"'
SERIES = {
    f'pirack_power_watts{{{OUTLET},slot="1"}}': "120x60",
    f'pirack_power_watts{{{OUTLET},slot="2"}}': "180x60",
    f'pirack_energy_joules_total{{{OUTLET},slot="1"}}': "0+1200x60",
    f'pirack_energy_joules_total{{{OUTLET},slot="2"}}': "0+1800x60",
    f'pirack_outlet_power_state{{{OUTLET},slot="2"}}': "0x60",
    f"rack_stack_slot:pirack_rasp_state:max{{{RASP}}}": "1x60",
}


def power_queries(uid: str) -> dict[str, str]:
    """Return the first query of each panel of power and energy, keyed by title."""
    found: dict[str, str] = {}
    for query in panel_queries(DASHBOARDS[uid]):
        if "pirack_power_watts" in query.expression or "pirack_energy" in query.expression:
            title = query.location.split(": ")[1]
            found.setdefault(title, substitute(query.expression, VARIABLES))
    return found


def test_rack_with_relays_only_has_no_panels_of_power() -> None:
    texts = [
        query.expression
        for dashboard in build_dashboards(RACK).values()
        for query in chain(panel_queries(dashboard), annotation_queries(dashboard))
    ]
    assert [text for text in texts if "outlet" in text or "watts" in text] == []


@pytest.mark.parametrize("uid", WITH_PANELS)
def test_panels_of_power_fill_the_grid_and_have_unique_titles(uid: str) -> None:
    dashboard = DASHBOARDS[uid]
    assert_fills_the_grid(dashboard)
    titles = [(panel["title"], panel["type"]) for panel in panels(dashboard)]
    assert len(set(titles)) == len(titles)
    assert len(power_queries(uid)) == 2


def test_power_cuts_of_single_rasps_are_annotated() -> None:
    for uid in WITH_PANELS:
        names = [query.location for query in annotation_queries(DASHBOARDS[uid])]
        assert f"{uid}: annotation Power cuts of rasps" in names


@pytest.mark.process
def test_panels_show_the_power_and_the_energy_of_stacks_and_rasps(tmp_path: Path) -> None:
    # 60 s of 120 W and of 180 W are 2 Wh and 3 Wh.
    expected = {
        "pirack-rack": (['{stack="01"} 300'], ['{stack="01"} 5']),
        "pirack-stack": (
            ['{slot="1", stack="01"} 120', '{slot="2", stack="01"} 180'],
            ['{slot="1", stack="01"} 2', '{slot="2", stack="01"} 3'],
        ),
        "pirack-rasp": (["{} 180"], ["{} 3"]),
    }
    results = {
        expression: samples
        for uid, all_samples in expected.items()
        for expression, samples in zip(power_queries(uid).values(), all_samples, strict=True)
    }
    [annotation] = [
        query
        for query in annotation_queries(DASHBOARDS["pirack-stack"])
        if query.location.endswith("Power cuts of rasps")
    ]
    results[substitute(annotation.expression, VARIABLES)] = [
        '{rack="small", stack="01", slot="2"} 1'
    ]
    assert_results(tmp_path, SERIES, results)


def test_energy_of_every_stack_is_visible() -> None:
    height, [_, (bars, _)] = rack_row(make_rack(*((x, 0, 4) for x in range(26))))
    assert isinstance(bars, dict)
    assert bars["title"] == "Energy of the stacks"
    assert height == bar_gauge_height(26) > bar_gauge_height(10)
