"""Collect the values of all aliases as metric families."""

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
    """Values of the aliases, as of the last `scrape`. Concurrent scrapes share one collection."""

    def __init__(self, aliases: Sequence[Alias], runner: CommandRunner) -> None:
        self._runner = runner
        self._families: tuple[Metric, ...] = ()
        self._failures: dict[Alias, str] = {}
        self._labels = {alias: {"alias": alias.label} for alias in aliases}
        self._lock = threading.Lock()
        self._in_progress: _Collection | None = None

    def scrape(self, timeout: float) -> None:
        """Run the aliases, or wait for the collection in progress.

        Args:
            timeout: Maximum seconds for each alias, and to wait for the collection in progress.

        Raises:
            TimeoutError: If the collection in progress does not finish in time.
        """
        with self._lock:
            in_progress = self._in_progress
            if in_progress is None:
                new = self._in_progress = _Collection()
        if in_progress is not None:
            in_progress.join(timeout)
            return
        try:
            self._families = tuple(self._run_aliases(timeout))
            new.succeeded = True
        finally:
            with self._lock:
                self._in_progress = None
            new.done.set()

    def collect(self) -> Iterator[Metric]:
        """Yield the families of the last `scrape`. Failed aliases have no family."""
        yield from self._families

    def describe(self) -> Iterator[Metric]:
        """Yield every possible family, so that a request can select families by name."""
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
        previous, self._failures = self._failures, failures
        for alias, problem in failures.items():
            if alias not in previous:
                _log.warning("%s: %s", alias.label, problem)
        for alias in previous.keys() - failures.keys():
            _log.info("%s succeeds again", alias.label)


class _Collection:
    """A collection that runs in one thread while other threads wait for its result."""

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
