"""Reading an alias of a rasp now, from its exporter."""

import time
from collections.abc import Iterator
from ipaddress import IPv4Address

import requests
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from controller.orders.model import Reading
from exporter.aliases import METRIC_PREFIX

_TIMEOUT_SECONDS = 6.0  # an alias has 5 of them, unless its file says otherwise
_CONNECT_SECONDS = 2.0
_MAX_RESPONSE_BYTES = 4 * 2**20
_CHUNK_BYTES = 2**16
_BOOT_ALIAS = "boot_time_seconds"


class AliasReadError(Exception):
    """An alias was not read; the text says why."""


class ExporterClient:
    """Asks the rasps' exporters. Safe to be used by several threads.

    `port` is the one that they listen on.
    """

    def __init__(self, port: int) -> None:
        self._port = port

    def read(self, address: IPv4Address, alias: str) -> tuple[Reading, ...]:
        """Return an alias's samples, read now: all aliases are, and this one's are returned.

        Args:
            address: the rasp's.
            alias: its label, such as `cpu_temperature_celsius`.

        Raises:
            NotRead: the exporter does not answer, has no such alias, or could not read it.
        """
        return parse_alias(self._scrape(address), alias)

    def boot_time(self, address: IPv4Address) -> float | None:
        """Return when a rasp was booted, in seconds since the epoch; None if it does not say."""
        try:
            return self.read(address, _BOOT_ALIAS)[0].value
        except AliasReadError:
            return None

    def _scrape(self, address: IPv4Address) -> str:
        deadline = time.monotonic() + _TIMEOUT_SECONDS
        try:
            with requests.get(
                f"http://{address}:{self._port}/metrics",
                headers={"X-Prometheus-Scrape-Timeout-Seconds": str(_TIMEOUT_SECONDS)},
                timeout=(_CONNECT_SECONDS, _TIMEOUT_SECONDS),
                stream=True,
            ) as response:
                response.raise_for_status()
                return b"".join(_limited(response, deadline)).decode("utf-8", "replace")
        except requests.ConnectionError as error:
            raise AliasReadError("its exporter cannot be reached") from error
        except requests.Timeout as error:
            raise AliasReadError(
                f"its exporter gave no answer in {_TIMEOUT_SECONDS:.0f} s"
            ) from error
        except requests.RequestException as error:
            raise AliasReadError("what answers in its exporter's place is none") from error


def parse_alias(text: str, alias: str) -> tuple[Reading, ...]:
    """Return an alias's samples in what an exporter said.

    Raises:
        NotRead: it has no such alias, could not read it, or the text is no exporter's.
    """
    name = METRIC_PREFIX + alias
    try:
        families: list[Metric] = list(text_string_to_metric_families(text))
    except ValueError as error:
        raise AliasReadError("what answers in its exporter's place is none") from error
    samples = [sample for family in families for sample in family.samples]
    found = tuple(
        Reading(dict(sample.labels), sample.value) for sample in samples if sample.name == name
    )
    if found:
        return found
    for sample in samples:
        if sample.name == f"{METRIC_PREFIX}alias_success" and sample.labels.get("alias") == alias:
            raise AliasReadError("its exporter could not read it: see that one's log")
    raise AliasReadError("its aliases file has no such alias")


def _limited(response: requests.Response, deadline: float) -> Iterator[bytes]:
    length = 0
    for piece in response.iter_content(_CHUNK_BYTES):
        length += len(piece)
        if length > _MAX_RESPONSE_BYTES or time.monotonic() > deadline:
            raise requests.Timeout
        yield piece
