"""Read aliases from the exporters of rasps."""

from ipaddress import IPv4Address

from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from controller.orders.model import Reading
from exporter.aliases import METRIC_PREFIX
from rack import bounded_http
from rack.errors import PiRackError

_TIMEOUT_SECONDS = 6.0  # default timeout of an alias, 5 s, and a margin
_CONNECT_SECONDS = 2.0
_MAX_RESPONSE_BYTES = 2**20
_MAX_READINGS = 500  # sample_limit in prometheus/prometheus.yml
_UPTIME_ALIAS = "uptime_seconds"
_NOT_AN_EXPORTER = "the server on the exporter's port is not a PiRack exporter"


class AliasReadError(PiRackError):
    """An alias could not be read."""


class ExporterClient:
    """Client of the exporters, which listen on `port` of each rasp. Thread-safe."""

    def __init__(self, port: int) -> None:
        self._port = port

    def read(self, address: IPv4Address, alias: str) -> tuple[Reading, ...]:
        """Scrape an exporter and return the samples of one alias.

        Args:
            address: Address of the rasp.
            alias: Label of the alias, for example `cpu_temperature_celsius`.

        Raises:
            AliasReadError: If the exporter does not respond, or has no samples of the alias.
        """
        return parse_alias(self._scrape(address), alias)

    def uptime(self, address: IPv4Address) -> float | None:
        """Return the seconds since the boot of a rasp, or None if unknown."""
        try:
            return self.read(address, _UPTIME_ALIAS)[0].value
        except AliasReadError:
            return None

    def _scrape(self, address: IPv4Address) -> str:
        try:
            response = bounded_http.get(
                f"http://{address}:{self._port}/metrics",
                headers={"X-Prometheus-Scrape-Timeout-Seconds": str(_TIMEOUT_SECONDS)},
                timeout=_TIMEOUT_SECONDS,
                connect_timeout=_CONNECT_SECONDS,
                max_bytes=_MAX_RESPONSE_BYTES,
            )
        except TimeoutError as error:
            raise AliasReadError(
                f"the exporter did not respond within {_TIMEOUT_SECONDS:.0f} s"
            ) from error
        except OSError as error:
            raise AliasReadError("the exporter is unreachable") from error
        except bounded_http.InvalidResponseError as error:
            raise AliasReadError(_NOT_AN_EXPORTER) from error
        if not response.is_ok:
            raise AliasReadError(_NOT_AN_EXPORTER)
        return response.text


def parse_alias(text: str, alias: str) -> tuple[Reading, ...]:
    """Return the samples of an alias in the response of an exporter.

    Raises:
        AliasReadError: If the alias has no samples, or the text has another format.
    """
    name = METRIC_PREFIX + alias
    try:
        families: list[Metric] = list(text_string_to_metric_families(text))
    except ValueError as error:
        raise AliasReadError(_NOT_AN_EXPORTER) from error
    samples = [sample for family in families for sample in family.samples]
    readings = tuple(
        Reading(dict(sample.labels), sample.value) for sample in samples if sample.name == name
    )
    if len(readings) > _MAX_READINGS:
        raise AliasReadError(f"the alias has more than {_MAX_READINGS} values")
    if readings:
        return readings
    for sample in samples:
        if sample.name == f"{METRIC_PREFIX}alias_success" and sample.labels.get("alias") == alias:
            raise AliasReadError("the exporter could not read the alias: see its log on the rasp")
    raise AliasReadError("the aliases file of the rasp does not contain the alias")
