"""Options of panels that decide whether people can read them."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from grafana.generator import build_dashboards
from grafana.panels import bar_gauge_height
from rack.layout_file import load
from tests.grafana.colors import contrast, ink
from tests.grafana.dashboard_reader import Dashboard, panels, substitute
from tests.grafana.promtool import assert_results
from tests.grafana.racks import make_rack
from tests.helpers.plugs import plug_rack

ROOT = Path(__file__).parents[2]
SHIPPED: Mapping[str, Dashboard] = build_dashboards(load(ROOT / "rack.toml"))
RACKS: Mapping[str, Mapping[str, Dashboard]] = {
    "shipped": SHIPPED,
    "plugs": build_dashboards(plug_rack()),
    "irregular": build_dashboards(make_rack((0, 0, 1), (3, 2, 5), (9, 2, 40))),
}
RASP = 'job="rasp",rack="small",stack="01"'
STATE = "rack_stack_slot:pirack_rasp_state:max"

# Pixels at a browser width of 1280 with docked navigation, in the font Inter.
GRID_PIXELS = 1280 - 300 - 32
PIXELS_PER_CHARACTER = 7.2
TITLE_MARGIN = 90  # padding, the icon of the description and the menu


def all_panels(panel_type: str = "") -> Iterator[Dashboard]:
    for dashboards in RACKS.values():
        for dashboard in dashboards.values():
            for panel in panels(dashboard):
                if not panel_type or panel["type"] == panel_type:
                    yield panel


def shipped_panel(uid: str, title: str, panel_type: str = "") -> Any:
    [panel] = [
        panel
        for panel in panels(SHIPPED[uid])
        if panel["title"] == title and (not panel_type or panel["type"] == panel_type)
    ]
    return panel


def overrides(panel: Dashboard, field: str) -> dict[str, Any]:
    """Return the options of a field that differ from those of the panel."""
    return {
        option["id"]: option["value"]
        for override in panel["fieldConfig"]["overrides"]
        if override["matcher"] == {"id": "byName", "options": field}
        for option in override["properties"]
    }


def columns(panel: Dashboard) -> Mapping[str, str]:
    """Return the titles of a table's columns, keyed by field."""
    titles: Mapping[str, str] = panel["transformations"][-1]["options"]["renameByName"]
    return titles


def test_strings_in_tables_stay_strings() -> None:
    """With another unit, Grafana displays and links the stack `02` as the number 2."""
    tables = list(all_panels("table"))
    assert len(tables) >= 12
    for table in tables:
        assert table["fieldConfig"]["defaults"]["unit"] == "string"
        for field, title in columns(table).items():
            is_number = field.startswith("Value")
            assert is_number == ("unit" in overrides(table, title)), (table["title"], title)


def test_text_of_an_empty_table_is_not_displayed_in_its_cells() -> None:
    for uid in ("pirack-rack", "pirack-rack-classic"):
        alerts = shipped_panel(uid, "Firing alerts", "table")
        assert alerts["fieldConfig"]["defaults"]["noValue"] == "No firing alerts"
        for title in ("Stack", "Rasp"):
            assert overrides(alerts, title)["noValue"] == "–"
        assert overrides(alerts, "rasp_page")["noValue"] == ""
    joined = [table for table in all_panels("table") if len(table["targets"]) > 1]
    assert joined
    for table in joined:
        for field, title in columns(table).items():
            if field.startswith("Value"):
                assert "noValue" in overrides(table, title), (table["title"], title)


def test_axes_of_percent_have_labels_between_0_and_100() -> None:
    percent = [
        panel
        for panel in all_panels("timeseries")
        if panel["fieldConfig"]["defaults"]["unit"] == "percentunit"
    ]
    assert percent
    for panel in percent:
        assert "decimals" not in panel["fieldConfig"]["defaults"], panel["title"]


def test_rack_links_to_a_dashboard_for_phones_that_is_short() -> None:
    [link] = [link for link in SHIPPED["pirack-rack"]["links"] if link["title"] == "For phones"]
    assert link["url"] == "/d/pirack-rack-classic"
    assert link["keepTime"]
    assert link["includeVars"]
    classic = SHIPPED["pirack-rack-classic"]
    stacks = [panel for panel in panels(classic) if panel["title"].isdigit()]
    assert len(stacks) == 12
    for panel in stacks:
        # Side by side, the values need no height.
        assert panel["options"]["orientation"] == "vertical"
        assert panel["gridPos"]["h"] == 3
    # On a phone, each panel has a row of its own. History is loaded when it is expanded.
    visible = sum(panel["gridPos"]["h"] for panel in classic["panels"])
    assert visible * 38 < 4 * 844


def test_text_on_colors_is_readable_in_stat_panels_and_tables() -> None:
    for panel in all_panels("stat"):
        assert panel["options"]["colorMode"] == "background_solid", panel["title"]
    for panel in all_panels("table"):
        for override in panel["fieldConfig"]["overrides"]:
            for option in override["properties"]:
                if option["id"] == "custom.cellOptions":
                    assert option["value"] == {"type": "color-background", "mode": "basic"}
    for panel in (*all_panels("stat"), *all_panels("table")):
        for color in colors(panel["fieldConfig"]):
            if color != "transparent":
                assert contrast(color, ink(color)) >= 4.5, (panel["title"], color)


def colors(node: object) -> Iterator[str]:
    """Yield the color of each threshold and mapping."""
    if isinstance(node, Mapping):
        if isinstance(node.get("color"), str):
            yield node["color"]
        for value in node.values():
            yield from colors(value)
    elif isinstance(node, list):
        for item in node:
            yield from colors(item)


def test_values_of_bars_have_the_color_of_text() -> None:
    for panel in all_panels("bargauge"):
        assert panel["options"]["valueMode"] == "text", panel["title"]


def test_ten_bars_are_visible() -> None:
    tens = [panel for panel in all_panels("bargauge") if panel["title"].startswith("Ten ")]
    assert len(tens) >= 8
    for panel in tens:
        assert panel["gridPos"]["h"] >= bar_gauge_height(10) == 9, panel["title"]


def test_columns_of_racks_fit_and_begin_with_alerts() -> None:
    racks = shipped_panel("pirack-racks", "Racks")
    titles = list(columns(racks).values())
    assert titles[:2] == ["Rack", "Alerts"]
    width = racks["fieldConfig"]["defaults"]["custom"]["minWidth"]
    assert width == 80
    assert width * len(titles) < GRID_PIXELS


def test_alerts_have_wide_names_and_the_most_severe_first() -> None:
    alerts = shipped_panel("pirack-rack", "Firing alerts", "table")
    narrow = [overrides(alerts, title)["custom.width"] for title in ("Severity", "Stack", "Rasp")]
    pixels = alerts["gridPos"]["w"] / 24 * GRID_PIXELS - 16 - sum(narrow)
    longest = max(len(file.stem) for file in (ROOT / "docs" / "runbooks").glob("*.md"))
    assert (longest - len("PiRack")) * PIXELS_PER_CHARACTER < pixels + 40
    assert alerts["options"]["sortBy"][0] == {"displayName": "Severity", "desc": False}
    severities = overrides(alerts, "Severity")["mappings"][0]["options"]
    assert [severities[value]["text"] for value in sorted(severities)] == [
        *("critical", "warning", "info")
    ]


def test_titles_fit() -> None:
    for dashboard in SHIPPED.values():
        for panel in panels(dashboard):
            pixels = panel["gridPos"]["w"] / 24 * GRID_PIXELS - 8 - TITLE_MARGIN
            assert len(panel["title"]) * PIXELS_PER_CHARACTER <= pixels, panel["title"]


def test_texts_of_values_fit() -> None:
    for dashboard in SHIPPED.values():
        for panel in panels(dashboard):
            if panel["type"] == "stat":
                pixels = panel["gridPos"]["w"] / 24 * GRID_PIXELS - 8 - 16
                per_value = pixels / len(panel["targets"]) - 16
                size = panel["options"]["text"]["valueSize"]
                for text in mapped_texts(panel):
                    assert len(text) * size * 0.64 <= per_value, (panel["title"], text)


def mapped_texts(panel: Dashboard) -> list[str]:
    return [
        option["text"]
        for mapping in panel["fieldConfig"]["defaults"]["mappings"]
        if mapping["type"] == "value"
        for option in mapping["options"].values()
    ]


def test_canvas_shows_one_tooltip_with_readable_names() -> None:
    [canvas] = [panel for panel in panels(SHIPPED["pirack-rack"]) if panel["type"] == "canvas"]
    assert canvas["options"]["tooltip"]["disableForOneClick"] is True
    names = [element["name"] for element in canvas["options"]["root"]["elements"]]
    assert "Rasp 03-2" in names
    for name in names:
        assert re.fullmatch(r"[A-Z][a-z]+( [a-z]+)* \d\d(-\d)?", name), name


def test_different_things_have_different_colors() -> None:
    """`palette-classic-by-name` can give the same color to different names."""
    for panel in all_panels():
        assert panel["fieldConfig"]["defaults"]["color"]["mode"] in {
            *("thresholds", "palette-classic")
        }


def test_values_in_a_row_of_stat_panels_have_the_same_size() -> None:
    for dashboards in RACKS.values():
        for dashboard in dashboards.values():
            sizes: dict[int, set[tuple[int, int]]] = {}
            for panel in panels(dashboard):
                if panel["type"] == "stat":
                    text = panel["options"]["text"]
                    row = sizes.setdefault(panel["gridPos"]["y"], set())
                    row.add((text["titleSize"], text["valueSize"]))
            assert all(len(row) == 1 for row in sizes.values())


def test_variables_are_queried_again_when_the_time_range_changes() -> None:
    for dashboard in SHIPPED.values():
        for variable in dashboard["templating"]["list"]:
            if variable["type"] == "query":
                assert variable["refresh"] == 2, variable["name"]


def test_rules_of_the_dashboard_linter_are_excluded_with_a_reason() -> None:
    exclusions = yaml.safe_load((ROOT / "grafana" / "dashboards" / ".lint").read_text())[
        "exclusions"
    ]
    assert {"template-job-rule", "template-instance-rule"} <= exclusions.keys()
    assert {"target-job-rule", "target-instance-rule"} <= exclusions.keys()
    for rule, exclusion in exclusions.items():
        assert exclusion["reason"].endswith("."), rule


def test_dashboards_with_more_than_ten_panels_have_rows() -> None:
    for dashboards in RACKS.values():
        for dashboard in dashboards.values():
            rows = [panel["title"] for panel in dashboard["panels"] if panel["type"] == "row"]
            if len(list(panels(dashboard))) > 10:
                assert rows, dashboard["uid"]


@pytest.mark.parametrize("uid", ["pirack-rack", "pirack-rack-classic"])
def test_states_of_all_rasps_in_the_night_are_in_a_collapsed_row(uid: str) -> None:
    [row] = [panel for panel in SHIPPED[uid]["panels"] if panel["title"] == "State of each rasp"]
    assert row["collapsed"] is True
    [timeline] = row["panels"]
    assert timeline["type"] == "state-timeline"
    assert timeline["timeFrom"] == "12h"
    assert timeline["gridPos"]["h"] >= 48 / 2


@pytest.mark.parametrize(
    ("uid", "title"),
    [
        ("pirack-rack", "Hottest"),
        ("pirack-rack-classic", "Hottest"),
        ("pirack-stack", "Hottest"),
        ("pirack-rasp", "Temperature"),
    ],
)
def test_temperatures_have_a_sparkline(uid: str, title: str) -> None:
    panel = shipped_panel(uid, title, "stat")
    assert panel["options"]["graphMode"] == "area"
    # Grafana draws it above 100 pixels, or in a panel that is much wider.
    assert panel["gridPos"]["h"] * 38 - 8 - 40 > 100
    assert panel["targets"][0]["range"] is True


def test_annotations_have_the_labels_of_their_query_as_tags() -> None:
    for dashboard in RACKS["plugs"].values():
        for annotation in dashboard["annotations"]["list"]:
            [grouping] = re.findall(r"by \(([^()]+)\)", annotation["target"]["expr"]) or [""]
            labels = {label.strip() for label in grouping.split(",")} | {"run"}
            tags = annotation["tagKeys"].split(",")
            assert set(tags) <= labels, annotation["name"]


def test_alerts_are_named_without_a_prefix_and_link_to_their_runbook_first() -> None:
    alerts = shipped_panel("pirack-rack", "Firing alerts", "table")
    [mapping] = overrides(alerts, "Alert")["mappings"]
    pattern = re.compile(mapping["options"]["pattern"])
    assert mapping["options"]["result"]["text"] == "$1"
    for runbook in (ROOT / "docs" / "runbooks").glob("*.md"):
        match = pattern.fullmatch(runbook.stem)
        assert match is not None
        assert "PiRack" not in match[1]
    # The raw value is the whole name.
    assert overrides(alerts, "Alert")["links"][0]["url"] == (
        "${controller}/runbooks/${__value.raw}"
    )


def test_temperature_of_the_rack_names_the_median() -> None:
    panel = shipped_panel("pirack-rack", "Temperature of the rack")
    legends = [target["legendFormat"] for target in panel["targets"]]
    assert legends == ["Hottest", "Median", "Coolest"]


def expression(uid: str, panel: str, query: str, **variables: str) -> str:
    """Return the expression of a query of a rack with two stacks."""
    dashboard = build_dashboards(make_rack((0, 0, 2), (1, 0, 2)))[uid]
    title, panel_type = panel.split("/")
    [found] = [
        target["expr"]
        for each in panels(dashboard)
        for target in each["targets"]
        if (each["title"], each["type"], target["refId"]) == (title, panel_type, query)
    ]
    return substitute(found, {"rack": "small", "stack": "01", **variables})


@pytest.mark.process
def test_rasps_without_a_state_are_unknown_and_counted(tmp_path: Path) -> None:
    unknown = expression("pirack-rack", "Rasps by state/stat", "F")
    assert_results(
        tmp_path,
        {f'{STATE}{{rack="small",stack="01",slot="1",rasp="01-1"}}': "1x60"},
        {
            expression("pirack-rack-classic", "01/stat", "A"): ["{} 1"],
            expression("pirack-rack-classic", "01/stat", "B"): ["{} -1"],
            unknown: ["{} 3"],
        },
    )
    assert_results(tmp_path, {}, {unknown: ["{} 4"]})
    stack = shipped_panel("pirack-rack-classic", "01")
    assert stack["fieldConfig"]["defaults"]["mappings"][0]["options"]["-1"]["text"] == "UNKNOWN"


@pytest.mark.process
def test_issues_are_unknown_while_no_rasp_is_scraped(tmp_path: Path) -> None:
    warnings, aliases = (expression("pirack-rack", "Issues/stat", query) for query in "BC")
    success = f'pirack_alias_success{{{RASP},rasp="01-1",alias="load"}}'
    assert_results(tmp_path, {}, {warnings: ["{} -1"], aliases: ["{} -1"]})
    assert_results(tmp_path, {success: "0x60"}, {aliases: ["{} 1"]})
    issues = shipped_panel("pirack-rack", "Issues")
    assert issues["fieldConfig"]["defaults"]["mappings"][0]["options"]["-1"]["text"] == "?"


@pytest.mark.process
def test_number_of_unknown_rasps_uses_the_slots_of_the_selected_rack(tmp_path: Path) -> None:
    slots = 'pirack_rack_slots{job="controller",rack="small"}'
    unknown = expression("pirack-rack", "Rasps by state/stat", "F")
    assert_results(tmp_path, {slots: "16x60"}, {unknown: ["{} 16"]})


@pytest.mark.process
def test_last_temperature_of_a_rasp_that_went_down_is_not_displayed(tmp_path: Path) -> None:
    def celsius(slot: int) -> str:
        return f'pirack_cpu_temperature_celsius{{{RASP},slot="{slot}",rasp="01-{slot}"}}'

    def rasp(slot: int) -> str:
        return f'{{rack="small", stack="01", slot="{slot}", rasp="01-{slot}"}}'

    def in_range(uid: str, panel: str, name: str) -> str:
        """Return the last value of each series in a range, which is what the panel shows."""
        return f"last_over_time(({expression(uid, panel, 'A', rasp=name)})[5m:10s])"

    # 01-1 was the hottest and stopped two minutes ago.
    series = {celsius(1): "80x18 stale", celsius(2): "50x60"}
    assert_results(
        tmp_path,
        series,
        {
            in_range("pirack-rack", "Hottest/stat", ""): [f"{rasp(2)} 50"],
            in_range("pirack-stack", "Hottest/stat", ""): [f"{rasp(2)} 50"],
            in_range("pirack-rasp", "Temperature/stat", "01-2"): [f"{rasp(2)} 50"],
            in_range("pirack-rasp", "Temperature/stat", "01-1"): [],
        },
    )


@pytest.mark.process
def test_alerts_are_ordered_by_severity_and_lead_to_their_rasp_stack_or_rack(
    tmp_path: Path,
) -> None:
    firing = 'alertstate="firing",rack="small"'
    places = {
        "PiRackRaspDown": 'severity="critical",stack="02",rasp="02-1"',
        "PiRackStackPoweredOff": 'severity="info",stack="03"',
        "PiRackMasterHot": 'severity="warning"',
    }
    series = {
        f'ALERTS{{alertname="{name}",{labels},{firing}}}': "1x60" for name, labels in places.items()
    }
    ignored = f'ALERTS{{alertname="PiRackWatchdog",severity="none",{firing}}}'
    stack, rack = "pirack-stack?var-stack=03&", "pirack-rack?"
    link_labels = {
        "PiRackRaspDown": 'stack_dashboard="pirack-stack?var-stack=02&",stack_page="stacks/02",'
        'rasp_dashboard="pirack-rasp?var-stack=02&var-rasp=02-1&",rasp_page="rasps/02-1"',
        "PiRackStackPoweredOff": f'stack_dashboard="{stack}",stack_page="stacks/03",'
        f'rasp_dashboard="{stack}",rasp_page="stacks/03"',
        # The page without a path is that of the rack.
        "PiRackMasterHot": f'stack_dashboard="{rack}",rasp_dashboard="{rack}"',
    }
    orders = {"PiRackRaspDown": 1, "PiRackMasterHot": 2, "PiRackStackPoweredOff": 3}
    assert_results(
        tmp_path,
        {**series, ignored: "1x60"},
        {
            expression("pirack-rack", "Firing alerts/table", "A"): [
                f'{{alertname="{name}",{places[name]},{firing},{link_labels[name]}}} {order}'
                for name, order in orders.items()
            ]
        },
    )


@pytest.mark.process
def test_each_alias_has_its_value_in_the_column_of_its_unit(tmp_path: Path) -> None:
    table = shipped_panel("pirack-rasp", "Aliases")
    values = {
        "cpu_temperature_celsius": ("Temperature", 50),
        "memory_total_bytes": ("Size", 4096),
        "cpu_frequency_hertz": ("Clock", 600),
        "uptime_seconds": ("Time", 90),
        "cpu_busy_seconds_total": ("Time", 70),
        "boot_time_seconds": ("Date", 1000 * 1000),
        "disk_readonly": ("Value", 0),
        "sdcard_volts": ("Value", 5),
    }
    series = {
        f'pirack_{alias}{{{RASP},slot="1",rasp="01-1"}}': f"{1000 if title == 'Date' else value}x60"
        for alias, (title, value) in values.items()
    } | {f'pirack_alias_success{{{RASP},rasp="01-1",alias="disk_readonly"}}': "1x60"}
    expected = {
        substitute(query["expr"], {"rack": "small", "rasp": "01-1"}): [
            f'{{alias="{alias}"}} {value}'
            for alias, (column, value) in values.items()
            if column == title
        ]
        for query, (field, title) in zip(
            table["targets"], list(columns(table).items())[1:-2], strict=False
        )
    }
    assert sum(map(len, expected.values())) == len(values)
    assert_results(tmp_path, series, expected)
    units = {title: overrides(table, title)["unit"] for title in ("Size", "Clock", "Date")}
    assert units == {"Size": "bytes", "Clock": "hertz", "Date": "dateTimeAsIso"}
