"""Rasps that Prometheus must not scrape."""

from controller.state.prometheus import Prometheus, PrometheusUnavailableError, Sample
from controller.state.quarantine import Quarantine
from tests.helpers.fake_clock import FakeClock


class FakeAlerts(Prometheus):
    """Prometheus with firing alerts of rasps, or an unavailable Prometheus."""

    def __init__(self) -> None:
        super().__init__("http://127.0.0.1:1")
        self.rasps: tuple[str, ...] | None = ()

    def query(self, expression: str, *, time: float | None = None) -> list[Sample]:
        assert time is None
        assert 'alertname="PiRackRaspQuarantined"' in expression
        if self.rasps is None:
            raise PrometheusUnavailableError("unavailable")
        return [Sample({"__name__": "ALERTS", "rasp": rasp}, 1.0) for rasp in self.rasps]


def test_quarantine_follows_the_alert_and_outlasts_a_failure_of_prometheus() -> None:
    prometheus, clock = FakeAlerts(), FakeClock()
    quarantine = Quarantine("pirack", prometheus, clock=clock)
    assert quarantine.rasps() == set()
    prometheus.rasps = ("03-2",)
    clock.now += 6
    assert quarantine.rasps() == {"03-2"}
    prometheus.rasps = None
    clock.now += 6
    assert quarantine.rasps() == {"03-2"}
    prometheus.rasps = ()
    clock.now += 6
    assert quarantine.rasps() == set()
