"""The samples of Prometheus during a run, as OpenMetrics text.

They include the power and the energy that the outlets of the nodes measure.

`promtool tsdb create-blocks-from openmetrics` imports this text into another Prometheus.
"""

from collections.abc import Collection, Iterable, Iterator

from prometheus_client import Metric
from prometheus_client.openmetrics.exposition import CONTENT_TYPE_LATEST, generate_latest

from controller.experiments.energy import outlets_of
from controller.experiments.model import Run
from controller.state.prometheus import Prometheus, Series
from rack.layout import Rack
from rack.names import stack_name

__all__ = ["CONTENT_TYPE_LATEST", "metrics_of_run", "openmetrics_text"]

OUTLET_METRICS = "pirack_power_watts|pirack_energy_joules_total"
"""Metrics of outlets that measure power, as a regular expression."""

MARGIN_SECONDS = 15.0
"""Seconds before and after the run that the text contains."""

MAX_RASP_SECONDS = 12 * 3600.0
"""Largest product of the number of rasps and the seconds, about 500,000 samples.

The text of longer runs ends earlier.
"""


def metrics_of_run(prometheus: Prometheus, rack: Rack, run: Run, now: float) -> bytes:
    """Return the samples of a run's rasps and outlets, from its start to its end or until now.

    Args:
        prometheus: Prometheus that scrapes the rack.
        rack: Layout of the rack.
        run: The run.
        now: Current time in seconds since the epoch.

    Raises:
        PrometheusUnavailableError: If Prometheus does not return a valid response.
    """
    start = run.started_at - MARGIN_SECONDS
    end = min(now, (run.finished_at or now) + MARGIN_SECONDS)
    nodes = run.plan.nodes
    end = min(end, start + MAX_RASP_SECONDS / max(1, len(nodes)))
    series = [
        each
        for selector in _selectors(rack, nodes)
        for each in prometheus.read_samples(selector, start=start, end=end)
    ]
    return openmetrics_text(series)


def _selectors(rack: Rack, nodes: Collection[str]) -> Iterator[str]:
    """Yield the selectors of the series of nodes and of their outlets."""
    for node in nodes:
        yield f'{{rack="{rack.name}", rasp="{node}"}}'
    for outlet in outlets_of(rack, nodes):
        slot = "" if outlet.slot is None else outlet.slot
        yield (
            f'{{__name__=~"{OUTLET_METRICS}", rack="{rack.name}",'
            f' stack="{stack_name(outlet.stack)}", slot="{slot}"}}'
        )


def openmetrics_text(series: Iterable[Series]) -> bytes:
    """Return series as OpenMetrics text, of unknown type because Prometheus stores no types."""
    metrics: dict[str, Metric] = {}
    for each in series:
        name = each.labels.get("__name__", "")
        labels = {key: value for key, value in each.labels.items() if key != "__name__"}
        metric = metrics.setdefault(name, Metric(name, "", "unknown"))
        for time, value in each.points:
            metric.add_sample(name, labels, value, timestamp=time)
    ordered = _Metrics(metrics[name] for name in sorted(metrics))
    text: bytes = generate_latest(ordered)  # type: ignore[no-untyped-call]
    return text


class _Metrics:
    """Metrics in the form of a registry."""

    def __init__(self, metrics: Iterable[Metric]) -> None:
        self._metrics = list(metrics)

    def collect(self) -> Iterable[Metric]:
        return self._metrics
