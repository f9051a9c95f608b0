"""Dashboard *PiRack itself*, about the services and the resources that they use."""

from grafana import annotations, links, states
from grafana.dashboard import DashboardDefaults, make_dashboard, variables
from grafana.experiment_panels import edge_delays, finished_runs, injected_faults, run_durations
from grafana.fields import FieldConfig, override, override_color
from grafana.grid import PanelSection, layout_sections
from grafana.json_format import Json
from grafana.master_panels import disk, load, memory, temperature
from grafana.panels import LineOptions, StatOptions, stat, time_series
from grafana.queries import CONTROLLER, IN_RACK, RASPS_IN_RACK, Query, range_query
from rack.layout import Rack

_SERVICES_SELECTOR = f'job=~"controller|prometheus|alertmanager",{IN_RACK}'
_ALL_JOBS = f'job=~"rasp|ping|controller|prometheus|alertmanager",{IN_RACK}'
_JOB_COLORS = [
    override_color("controller", states.BLUE),
    override_color("prometheus", states.ORANGE),
    override_color("alertmanager", states.TEAL),
]


def pirack_dashboard(rack: Rack, defaults: DashboardDefaults) -> Json:
    """Return *PiRack itself*."""
    return make_dashboard(
        links.PIRACK_UID,
        "PiRack itself",
        "Do the controller, exporters and scrapes work, and how many resources do they use?",
        panels=layout_sections(
            [
                (
                    4,
                    [
                        (_services(), 8),
                        (_running_orders(), 6),
                        (_install(), 4),
                        (_scrapes(), 6),
                    ],
                )
            ],
            PanelSection("Orders", [(8, [(_orders(), 12), (_order_durations(), 12)])]),
            PanelSection("Scrapes", [(8, [(_scrape_durations(), 12), (_alias_durations(), 12)])]),
            PanelSection(
                "Services",
                [
                    (
                        8,
                        [
                            (_cpu(), 6),
                            (_memory(), 6),
                            (_prometheus_queries(), 6),
                            (_ingested_samples(), 6),
                        ],
                    )
                ],
            ),
            PanelSection(
                "Master", [(8, [(temperature(), 6), (load(), 6), (memory(), 6), (disk(), 6)])]
            ),
            PanelSection(
                "Experiments",
                [
                    (
                        8,
                        [
                            (finished_runs(), 6),
                            (run_durations(), 6),
                            (injected_faults(), 6),
                            (edge_delays(), 6),
                        ],
                    )
                ],
            ),
        ),
        variables=variables(defaults, "rack"),
        annotations=annotations.for_rack(rack),
        top_links=links.dashboard_links("/master", "Page of the master"),
    )


def _services() -> Json:
    down = states.ValueStyle(0, "DOWN", states.DOWN.color)
    up = states.ValueStyle(1, "up", states.UP.color)
    return stat(
        "Services on the master",
        "Whether each service responded to the last scrape.",
        FieldConfig("none", mappings=states.value_mappings(down, up), no_value="unknown"),
        [Query(f"min by (job) (up{{{_SERVICES_SELECTOR}}})", "{{job}}")],
        stat_options=StatOptions(text_mode="value_and_name"),
    )


def _running_orders() -> Json:
    return stat(
        "Running orders",
        "Orders that the controller is running now.",
        FieldConfig(
            "none",
            decimals=0,
            thresholds=states.thresholds(base_color=states.STACK_STATES[1].color),
        ),
        [Query(f"sum(pirack_orders_running{{{CONTROLLER}}})", "orders")],
    )


def _install() -> Json:
    install_states = [
        states.ValueStyle(0, "not running", states.UP.color),
        states.ValueStyle(1, "unfinished", states.HOT.color),
        states.ValueStyle(2, "running", states.STACK_STATES[1].color),
    ]
    running = f"max(pirack_install_running{{{CONTROLLER}}})"
    unfinished = f"max(pirack_install_unfinished{{{CONTROLLER}}})"
    return stat(
        "Install",
        "Whether an install is running, or the last install did not finish.",
        FieldConfig("none", mappings=states.value_mappings(*install_states), no_value="unknown"),
        [Query(f"clamp_max(2 * {running} + {unfinished}, 2)", "install")],
    )


def _scrapes() -> Json:
    return stat(
        "Scrapes",
        "Rasps whose last scrape failed, including rasps that are off, and the duration of the"
        " longest of the last scrapes. The timeout is four seconds.",
        FieldConfig("none", decimals=0, no_value="unknown"),
        [
            Query(f"sum(up{{{RASPS_IN_RACK}}} == bool 0)", "failed"),
            Query(f"max(scrape_duration_seconds{{{_ALL_JOBS}}})", "longest"),
        ],
        overrides=[
            override("failed", thresholds=states.thresholds((1, states.WARM.color))),
            override(
                "longest",
                unit="s",
                decimals=2,
                thresholds=states.thresholds((1, states.WARM.color), (3, states.HOT.color)),
            ),
        ],
        stat_options=StatOptions(text_mode="value_and_name"),
    )


def _orders() -> Json:
    finished = f"increase(pirack_orders_total{{{CONTROLLER}}}[$__rate_interval])"
    return time_series(
        "Orders",
        "Finished orders by action and result.",
        FieldConfig("none", decimals=0, min=0, color_mode="palette-classic", no_value="No orders"),
        [range_query(f"sum by (action, result) ({finished}) > 0", "{{action}}: {{result}}")],
        line_options=LineOptions(bars=True, legend_table=True),
    )


def _order_durations() -> Json:
    seconds = f"rate(pirack_order_duration_seconds_sum{{{CONTROLLER}}}[$__rate_interval])"
    finished = f"rate(pirack_order_duration_seconds_count{{{CONTROLLER}}}[$__rate_interval])"
    mean = f"sum by (action) ({seconds}) / (sum by (action) ({finished}) > 0)"
    return time_series(
        "Duration of orders",
        "Mean duration of orders that finished at that time, by action.",
        FieldConfig("s", decimals=1, min=0, color_mode="palette-classic", no_value="No orders"),
        [range_query(mean, "{{action}}")],
        line_options=LineOptions(bars=True, legend_table=True),
    )


def _scrape_durations() -> Json:
    return time_series(
        "Duration of scrapes",
        "Duration of the longest scrape of each job, and median duration of the rasps' scrapes.",
        FieldConfig("s", decimals=1, color_mode="palette-classic"),
        [
            range_query(
                f"max by (job) (scrape_duration_seconds{{{_ALL_JOBS}}})", "{{job}}, maximum"
            ),
            range_query(
                f"quantile(0.5, scrape_duration_seconds{{{RASPS_IN_RACK}}})", "rasp, median"
            ),
        ],
        line_options=LineOptions(legend_table=True, logarithmic=True),
    )


def _alias_durations() -> Json:
    return time_series(
        "Duration of aliases",
        "Mean duration of each alias in a scrape, over all rasps.",
        FieldConfig("s", decimals=1, min=0, color_mode="palette-classic"),
        [
            range_query(
                f"avg by (alias) (pirack_alias_duration_seconds{{{RASPS_IN_RACK}}})",
                "{{alias}}",
            )
        ],
        line_options=LineOptions(legend_table=True),
    )


def _cpu() -> Json:
    busy = f"rate(process_cpu_seconds_total{{{_SERVICES_SELECTOR}}}[$__rate_interval])"
    return time_series(
        "Busy cores",
        "CPU usage of each service on the master. 1 is one core at full load.",
        FieldConfig("none", decimals=3, min=0),
        [range_query(f"sum by (job) ({busy})", "{{job}}")],
        overrides=_JOB_COLORS,
    )


def _memory() -> Json:
    return time_series(
        "Resident memory",
        "Resident memory of each service on the master.",
        FieldConfig("bytes", decimals=0, min=0),
        [
            range_query(
                f"sum by (job) (process_resident_memory_bytes{{{_SERVICES_SELECTOR}}})", "{{job}}"
            )
        ],
        overrides=_JOB_COLORS,
    )


def _prometheus_queries() -> Json:
    queries = f"rate(pirack_controller_prometheus_queries_total{{{CONTROLLER}}}[$__rate_interval])"
    return time_series(
        "Prometheus queries",
        "Queries of the controller per second, successful and failed.",
        FieldConfig("reqps", decimals=2, min=0),
        [range_query(f"sum by (result) ({queries})", "{{result}}")],
        overrides=[override_color("ok", states.BLUE), override_color("failed", states.ORANGE)],
    )


def _ingested_samples() -> Json:
    selector = f'job="prometheus",{IN_RACK}'
    ingested = f"rate(prometheus_tsdb_head_samples_appended_total{{{selector}}}[$__rate_interval])"
    return time_series(
        "Ingested samples",
        "Samples that Prometheus stores per second.",
        FieldConfig("cps", decimals=0, min=0),
        [range_query(f"sum({ingested})", "samples")],
        overrides=[override_color("samples", states.BLUE)],
    )
