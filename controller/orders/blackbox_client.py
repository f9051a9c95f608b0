"""Ping rasps with blackbox_exporter.

Source: https://github.com/prometheus/blackbox_exporter, `/probe`.
"""

from collections.abc import Mapping
from ipaddress import IPv4Address

from controller.prometheus_targets import probe_parameters
from rack import bounded_http
from rack.errors import PiRackError

_TIMEOUT_SECONDS = 2.0
_MAX_RESPONSE_BYTES = 2**18
_TIMEOUT_MARGIN = 0.5  # blackbox_exporter subtracts this from the timeout in the header


class BlackboxUnavailableError(PiRackError):
    """blackbox_exporter is unavailable, so it is unknown whether a rasp is reachable."""


class BlackboxClient:
    """Client of a blackbox_exporter. Thread-safe.

    Args:
        blackbox: Address of the blackbox_exporter, `ADDRESS:PORT`.
        method: Probe method, see `probe_parameters`.
        headers: Headers of each request, which authenticate the controller.
    """

    def __init__(self, blackbox: str, method: str, headers: Mapping[str, str]) -> None:
        self._url = f"http://{blackbox}/probe"
        self._method = method
        self._headers = {
            **headers,
            "X-Prometheus-Scrape-Timeout-Seconds": str(_TIMEOUT_SECONDS),
        }

    def probe(self, address: IPv4Address) -> bool:
        """Return whether a rasp replies within two seconds.

        Raises:
            BlackboxUnavailableError: If blackbox_exporter does not return a result.
        """
        module, target = probe_parameters(self._method, address)
        try:
            response = bounded_http.get(
                self._url,
                parameters={"module": module, "target": target},
                headers=self._headers,
                timeout=_TIMEOUT_SECONDS + _TIMEOUT_MARGIN,
                max_bytes=_MAX_RESPONSE_BYTES,
            )
        except (OSError, bounded_http.InvalidResponseError) as error:
            raise BlackboxUnavailableError(
                f"blackbox_exporter at {self._url} is unavailable"
            ) from error
        if not response.is_ok:
            raise BlackboxUnavailableError(
                f"blackbox_exporter at {self._url} is unavailable: HTTP {response.status}"
            )
        for line in response.text.splitlines():
            if line.startswith("probe_success "):
                return line == "probe_success 1"
        raise BlackboxUnavailableError(f"the server at {self._url} is not a blackbox_exporter")
