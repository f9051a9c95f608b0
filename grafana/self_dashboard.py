"""*PiRack itself*: does it do its work, and what does it cost?"""

from grafana import annotations, links, states
from grafana.envelope import Place, dashboard, variables
from grafana.fields import Field, painted
from grafana.grid import in_rows
from grafana.master_panels import disk, load, memory, temperature
from grafana.panels import Curves, course, stat
from grafana.queries import IN_RACK, Query
from grafana.queries import course as over_time
from grafana.readable import Json

_OF_SERVICES = f'job=~"controller|prometheus|alertmanager",{IN_RACK}'
_JOBS = [
    painted("controller", states.BLUE),
    painted("prometheus", states.ORANGE),
    painted("alertmanager", states.TEAL),
]


def self_dashboard(place: Place) -> Json:
    """Return *PiRack itself*."""
    return dashboard(
        links.SELF,
        "PiRack itself",
        "Do controller, exporters and scrapes do their work, and what do they cost?",
        panels=in_rows(
            (
                4,
                [(_services(), 8), (_running(), 4), (_install(), 4), (_unasked(), 4), (_late(), 4)],
            ),
            (8, [(_orders(), 12), (_order_durations(), 12)]),
            (8, [(_scrapes(), 12), (_aliases(), 12)]),
            (8, [(_cpu(), 6), (_memory(), 6), (_queries(), 6), (_samples(), 6)]),
            (8, [(temperature(), 6), (load(), 6), (memory(), 6), (disk(), 6)]),
        ),
        variables=variables(place, "rack"),
        annotations=annotations.of_rack(),
        page=("/master", "Page of the master"),
    )


def _services() -> Json:
    away = states.Shown(0, "AWAY", states.DOWN.colour)
    answers = states.Shown(1, "answers", states.UP.colour)
    return stat(
        "Services on the master",
        "Whether each answered the newest scrape.",
        Field("none", mappings=states.mapping(away, answers), nothing="unknown"),
        [Query(f"min by (job) (up{{{_OF_SERVICES}}})", "{{job}}")],
        text="value_and_name",
    )


def _running() -> Json:
    return stat(
        "Orders on their way",
        "How many orders the controller works on now.",
        Field("none", decimals=0, thresholds=states.steps(base=states.STACK[1].colour)),
        [Query(f"sum(pirack_orders_running{{{IN_RACK}}})", "orders")],
    )


def _install() -> Json:
    shown = [
        states.Shown(0, "none runs", states.UP.colour),
        states.Shown(1, "unfinished", states.HOT.colour),
        states.Shown(2, "runs", states.STACK[1].colour),
    ]
    running = f"max(pirack_install_running{{{IN_RACK}}})"
    unfinished = f"max(pirack_install_unfinished{{{IN_RACK}}})"
    return stat(
        "Install",
        "Whether an install runs, or the last one was left unfinished.",
        Field("none", mappings=states.mapping(*shown), nothing="unknown"),
        [Query(f"clamp_max(2 * {running} + {unfinished}, 2)", "install")],
    )


def _unasked() -> Json:
    return stat(
        "Exporters that do not answer",
        "Rasps whose newest scrape failed, those that are off included.",
        Field("none", decimals=0, thresholds=states.steps((1, states.WARM.colour))),
        [Query(f'sum(up{{job="rasp",{IN_RACK}}} == bool 0)', "rasps")],
    )


def _late() -> Json:
    return stat(
        "Longest scrape",
        "The longest of the newest scrapes. Prometheus gives up after four seconds.",
        Field(
            "s",
            decimals=2,
            thresholds=states.steps((1, states.WARM.colour), (3, states.HOT.colour)),
        ),
        [Query(f"max(scrape_duration_seconds{{{IN_RACK}}})", "scrape")],
    )


def _orders() -> Json:
    ended = f"increase(pirack_orders_total{{{IN_RACK}}}[$__rate_interval])"
    return course(
        "Orders",
        "How many orders ended, by action and result.",
        Field("none", decimals=0, least=0, colour="palette-classic-by-name"),
        [over_time(f"sum by (action, result) ({ended}) > 0", "{{action}}: {{result}}")],
        curves=Curves(bars=True, table=True),
    )


def _order_durations() -> Json:
    seconds = f"rate(pirack_order_duration_seconds_sum{{{IN_RACK}}}[$__rate_interval])"
    ended = f"rate(pirack_order_duration_seconds_count{{{IN_RACK}}}[$__rate_interval])"
    mean = f"sum by (action) ({seconds}) / (sum by (action) ({ended}) > 0)"
    return course(
        "How long orders took",
        "The mean of the orders of each action that ended at that time.",
        Field("s", decimals=1, least=0, colour="palette-classic-by-name"),
        [over_time(mean, "{{action}}")],
        curves=Curves(bars=True, table=True),
    )


def _scrapes() -> Json:
    return course(
        "How long scrapes take",
        "The longest scrape of each job, and the median one of the rasps' exporters.",
        Field("s", decimals=1, colour="palette-classic-by-name"),
        [
            over_time(
                f"max by (job) (scrape_duration_seconds{{{IN_RACK}}})", "{{job}}, the longest"
            ),
            over_time(
                f'quantile(0.5, scrape_duration_seconds{{job="rasp",{IN_RACK}}})',
                "rasp, the median",
            ),
        ],
        curves=Curves(table=True, logarithmic=True),
    )


def _aliases() -> Json:
    return course(
        "What aliases cost",
        "How long each alias takes in a scrape: the mean over all rasps.",
        Field("s", decimals=1, least=0, colour="palette-classic-by-name"),
        [
            over_time(
                f"avg by (alias) (pirack_alias_duration_seconds{{{IN_RACK}}})",
                "{{alias}}",
            )
        ],
        curves=Curves(table=True),
    )


def _cpu() -> Json:
    busy = f"rate(process_cpu_seconds_total{{{_OF_SERVICES}}}[$__rate_interval])"
    return course(
        "Processor time",
        "Of each service on the master: 1 is one core at full load.",
        Field("none", decimals=3, least=0),
        [over_time(f"sum by (job) ({busy})", "{{job}}")],
        overrides=_JOBS,
    )


def _memory() -> Json:
    return course(
        "Memory",
        "What each service holds in the master's memory.",
        Field("bytes", decimals=0, least=0),
        [over_time(f"sum by (job) (process_resident_memory_bytes{{{_OF_SERVICES}}})", "{{job}}")],
        overrides=_JOBS,
    )


def _queries() -> Json:
    asked = f"rate(pirack_controller_prometheus_queries_total{{{IN_RACK}}}[$__rate_interval])"
    return course(
        "Questions to Prometheus",
        "How often a second the controller asks Prometheus, and how often it gets no answer.",
        Field("reqps", decimals=2, least=0),
        [over_time(f"sum by (result) ({asked})", "{{result}}")],
        overrides=[painted("ok", states.BLUE), painted("failed", states.ORANGE)],
    )


def _samples() -> Json:
    kept = f"rate(prometheus_tsdb_head_samples_appended_total{{{IN_RACK}}}[$__rate_interval])"
    return course(
        "Readings kept",
        "How many readings a second Prometheus keeps.",
        Field("cps", decimals=0, least=0),
        [over_time(f"sum({kept})", "readings")],
        overrides=[painted("readings", states.BLUE)],
    )
