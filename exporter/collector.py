"""One collection of all aliases, as metric families for the library's exposition."""

import logging
import threading
from collections.abc import Iterator, Sequence

from prometheus_client import Metric
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample

from exporter import output
from exporter.aliases import SELF_METRICS, Alias
from exporter.output import OutputError, Samples
from exporter.runner import CommandRunner

_log = logging.getLogger(__name__)

_SUCCESS = "pirack_alias_success"
_DURATION = "pirack_alias_duration_seconds"
_UP = "pirack_up"


class AliasCollector(Collector):
    """What the aliases say, read by `scrape` and held until the next one.

    Several threads may call `scrape` at a time: they share one collection.
    """

    def __init__(self, aliases: Sequence[Alias], runner: CommandRunner) -> None:
        self._runner = runner
        self._families: tuple[Metric, ...] = ()
        self._failures: dict[Alias, str] = {}
        self._labels = {alias: {"alias": alias.label} for alias in aliases}
        self._lock = threading.Lock()
        self._in_progress: _Collection | None = None

    def scrape(self, timeout: float) -> None:
        """Run the aliases, or wait for the collection that is under way.

        No alias runs for longer than `timeout` seconds. Raises TimeoutError if the collection
        that was under way took longer than that.
        """
        with self._lock:
            under_way = self._in_progress
            if under_way is None:
                mine = self._in_progress = _Collection()
        if under_way is not None:
            under_way.join(timeout)
            return
        try:
            self._families = tuple(self._run_aliases(timeout))
            mine.succeeded = True
        finally:
            with self._lock:
                self._in_progress = None
            mine.done.set()

    def collect(self) -> Iterator[Metric]:
        """Yield what the last `refresh` has read; an alias that failed has no family."""
        yield from self._families

    def describe(self) -> Iterator[Metric]:
        """Yield every family that there can be, so that a scrape may ask for some by name."""
        for alias in self._labels:
            yield _alias_metric(alias, ())
        for name in (_SUCCESS, _DURATION, _UP):
            yield _self_metric(name, [])

    def _run_aliases(self, timeout: float) -> Iterator[Metric]:
        success: list[Sample] = []
        duration: list[Sample] = []
        failures: dict[Alias, str] = {}
        for alias, result in self._runner.run(timeout).items():
            try:
                yield _alias_metric(alias, output.samples_from(result))
            except OutputError as error:
                failures[alias] = str(error)
            labels = self._labels[alias]
            success.append(Sample(_SUCCESS, labels, alias not in failures))
            duration.append(Sample(_DURATION, labels, result.seconds))
        yield _self_metric(_SUCCESS, success)
        yield _self_metric(_DURATION, duration)
        yield _self_metric(_UP, [Sample(_UP, {}, not failures)])
        self._log_changes(failures)

    def _log_changes(self, failures: dict[Alias, str]) -> None:
        before, self._failures = self._failures, failures
        for alias, problem in failures.items():
            if alias not in before:
                _log.warning("%s: %s", alias.label, problem)
        for alias in before.keys() - failures.keys():
            _log.info("%s works again", alias.label)


class _Collection:
    """A collection under way in one thread, and waited for in others."""

    def __init__(self) -> None:
        self.done = threading.Event()
        self.succeeded = False

    def join(self, timeout: float) -> None:
        if not self.done.wait(timeout) or not self.succeeded:
            raise TimeoutError


def _alias_metric(alias: Alias, samples: Samples) -> Metric:
    family = Metric(alias.family, alias.help, "counter" if alias.is_counter else "gauge")
    metric = alias.metric
    family.samples = [Sample(metric, labels, value) for labels, value in samples]
    return family


def _self_metric(name: str, samples: list[Sample]) -> Metric:
    family = Metric(name, SELF_METRICS[name], "gauge")
    family.samples = samples
    return family
