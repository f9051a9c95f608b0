"""Panels about the runs of experiments, at the bottom of *PiRack itself*."""

from grafana import states
from grafana.fields import FieldConfig, override_color
from grafana.json_format import Json
from grafana.panels import LineOptions, time_series
from grafana.queries import CONTROLLER, range_query

_EMPTY = "No runs"


def finished_runs() -> Json:
    """Return the graph of finished runs."""
    finished = f"increase(pirack_experiment_runs_total{{{CONTROLLER}}}[$__rate_interval])"
    return time_series(
        "Finished runs",
        "Finished runs of experiments by state and result of the check.",
        FieldConfig("none", decimals=0, min=0, color_mode="palette-classic", no_value=_EMPTY),
        [range_query(f"sum by (state, result) ({finished}) > 0", "{{state}}: {{result}}")],
        line_options=LineOptions(bars=True),
    )


def run_durations() -> Json:
    """Return the graph of the duration of runs."""
    seconds = f"rate(pirack_experiment_run_duration_seconds_sum{{{CONTROLLER}}}[$__rate_interval])"
    runs = f"rate(pirack_experiment_run_duration_seconds_count{{{CONTROLLER}}}[$__rate_interval])"
    return time_series(
        "Duration of runs",
        "Mean duration of the runs that finished at that time.",
        FieldConfig("s", decimals=1, min=0, no_value=_EMPTY),
        [range_query(f"sum({seconds}) / (sum({runs}) > 0)", "mean")],
        overrides=[override_color("mean", states.BLUE)],
        line_options=LineOptions(bars=True),
    )


def injected_faults() -> Json:
    """Return the graph of injected faults."""
    injected = f"increase(pirack_experiment_faults_total{{{CONTROLLER}}}[$__rate_interval])"
    return time_series(
        "Injected faults",
        "Faults that runs injected, by kind.",
        FieldConfig("none", decimals=0, min=0, color_mode="palette-classic", no_value=_EMPTY),
        [range_query(f"sum by (kind) ({injected}) > 0", "{{kind}}")],
        line_options=LineOptions(bars=True),
    )


def edge_delays() -> Json:
    """Return the graph of the delay of changes of power."""
    buckets = f"rate(pirack_experiment_edge_delay_seconds_bucket{{{CONTROLLER}}}[$__rate_interval])"
    by_limit = f"sum by (le) ({buckets})"
    quantiles = {"median": (0.5, states.BLUE), "95th percentile": (0.95, states.ORANGE)}
    return time_series(
        "Power change delay",
        "Time from the planned time of a change of power in a run to its end.",
        FieldConfig("s", min=0, no_value=_EMPTY),
        [
            # The quantile of no values is not a number, which is not displayed.
            range_query(f"histogram_quantile({quantile}, {by_limit}) >= 0", name)
            for name, (quantile, _) in quantiles.items()
        ],
        overrides=[override_color(name, color) for name, (_, color) in quantiles.items()],
        line_options=LineOptions(bars=True),
    )
