"""Rasps that Prometheus must not scrape, because they exported too many or changing series."""

import time
from collections.abc import Callable, Set

from controller.state.prometheus import Prometheus, PrometheusUnavailableError

_MAX_AGE_SECONDS = 5.0  # evaluation interval of the rule


def quarantine_selector(rack: str) -> str:
    """Return the PromQL selector of the alerts that fire while a rasp is quarantined."""
    return f'ALERTS{{alertname="PiRackRaspQuarantined", alertstate="firing", rack="{rack}"}}'


class Quarantine:
    """Reader of the quarantined rasps.

    Args:
        rack: Name of the rack.
        prometheus: Client of the Prometheus that scrapes the rack.
        clock: Returns monotonic seconds.
    """

    def __init__(
        self, rack: str, prometheus: Prometheus, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._query = quarantine_selector(rack)
        self._prometheus = prometheus
        self._clock = clock
        self._read_at = float("-inf")
        self._rasps: Set[str] = frozenset()

    def rasps(self) -> Set[str]:
        """Return the names of the quarantined rasps, as of the last response of Prometheus."""
        now = self._clock()
        if now - self._read_at >= _MAX_AGE_SECONDS:
            self._read_at = now
            try:
                samples = self._prometheus.query(self._query)
            except PrometheusUnavailableError:
                return self._rasps  # an attack may be the reason
            self._rasps = frozenset(sample.labels.get("rasp", "") for sample in samples)
        return self._rasps
