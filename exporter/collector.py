"""One collection of all aliases, as metric families for the library's exposition."""

import logging
import threading
from collections.abc import Iterator
from concurrent.futures import Future

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from exporter import output
from exporter.aliases import OWN_METRICS, Alias
from exporter.output import OutputError, Samples
from exporter.processes import Result
from exporter.shell import Shell

log = logging.getLogger(__name__)


class Readings(Collector):
    """What the aliases say, read by `refresh` and held until the next one.

    Several threads may call `refresh` at a time: they share one collection.
    """

    def __init__(self, aliases: tuple[Alias, ...], shell: Shell) -> None:
        self._aliases = aliases
        self._shell = shell
        self._families: tuple[Metric, ...] = ()
        self._failures: dict[Alias, str] = {}
        self._lock = threading.Lock()
        self._under_way: Future[None] | None = None

    def refresh(self, timeout: float) -> None:
        """Run the aliases, or wait for the collection that is under way. Raises TimeoutError.

        No alias runs for longer than `timeout` seconds.
        """
        with self._lock:
            under_way = self._under_way
            if under_way is None:
                mine = self._under_way = Future[None]()
        if under_way is not None:
            under_way.result(timeout)
            return
        try:
            self._families = tuple(self._read(timeout))
        finally:
            with self._lock:
                self._under_way = None
            mine.set_result(None)

    def collect(self) -> Iterator[Metric]:
        """Yield what the last `refresh` has read; an alias that failed has no family."""
        yield from self._families

    def describe(self) -> Iterator[Metric]:
        """Yield every family that there can be, so that a scrape may ask for some by name."""
        for alias in self._aliases:
            yield _family(alias, ())
        yield from (_own("pirack_alias_success"), _own("pirack_alias_duration_seconds"))
        yield _own("pirack_up")

    def _read(self, timeout: float) -> Iterator[Metric]:
        success = _own("pirack_alias_success", labels=["alias"])
        duration = _own("pirack_alias_duration_seconds", labels=["alias"])
        failures: dict[Alias, str] = {}
        for alias, result in self._shell.run(self._aliases, timeout).items():
            try:
                yield _family(alias, _samples(result))
            except OutputError as error:
                failures[alias] = str(error)
            success.add_metric([alias.label], alias not in failures)
            duration.add_metric([alias.label], result.seconds)
        yield success
        yield duration
        up = _own("pirack_up")
        up.add_metric([], not failures)
        yield up
        self._log_changes(failures)

    def _log_changes(self, failures: dict[Alias, str]) -> None:
        before, self._failures = self._failures, failures
        for alias, problem in failures.items():
            if alias not in before:
                log.warning("%s: %s", alias.label, problem)
        for alias in before.keys() - failures.keys():
            log.info("%s works again", alias.label)


def _samples(result: Result) -> Samples:
    if result.error is not None:
        raise OutputError(result.error)
    return output.parse(result.output)


def _family(alias: Alias, samples: Samples) -> Metric:
    family = (CounterMetricFamily if alias.is_counter else GaugeMetricFamily)(
        alias.metric, alias.help
    )
    for labels, value in samples:
        family.add_sample(alias.metric, dict(labels), value)
    return family


def _own(name: str, labels: list[str] | None = None) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, OWN_METRICS[name], labels=labels or [])
