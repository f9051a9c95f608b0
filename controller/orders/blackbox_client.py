"""Asking now whether a rasp is there: one probe of blackbox_exporter's, as Prometheus asks for it.

Source: https://github.com/prometheus/blackbox_exporter, `/probe`.
"""

from ipaddress import IPv4Address

import requests

_TIMEOUT_SECONDS = 2.0
_TIMEOUT_MARGIN = 0.5  # by so much less than it is told blackbox_exporter waits itself


class BlackboxUnavailableError(Exception):
    """Nobody can tell whether a rasp is there; the text says why."""


def probe_parameters(method: str, address: IPv4Address) -> tuple[str, str]:
    """Return the module and the target of a probe of `address`.

    Args:
        method: `icmp`, or `tcp:PORT` on a rack whose rasps share the master's kernel.
        address: a rasp's.
    """
    module, _, port = method.partition(":")
    return module, f"{address}:{port}" if port else str(address)


class BlackboxClient:
    """Asks a blackbox_exporter. Safe to be used by several threads.

    Args:
        blackbox: where it is, `ADDRESS:PORT`.
        method: how it is to ask; see `probe_parameters`.
    """

    def __init__(self, blackbox: str, method: str) -> None:
        self._url = f"http://{blackbox}/probe"
        self._method = method

    def probe(self, address: IPv4Address) -> bool:
        """Tell whether a rasp answers; within two seconds.

        Raises:
            PingUnavailable: blackbox_exporter does not say.
        """
        module, target = probe_parameters(self._method, address)
        try:
            response = requests.get(
                self._url,
                params={"module": module, "target": target},
                headers={"X-Prometheus-Scrape-Timeout-Seconds": str(_TIMEOUT_SECONDS)},
                timeout=_TIMEOUT_SECONDS + _TIMEOUT_MARGIN,
            )
            response.raise_for_status()
        except requests.RequestException as error:
            raise BlackboxUnavailableError(
                f"blackbox_exporter at {self._url} does not say whether it answers"
            ) from error
        for line in response.text.splitlines():
            if line.startswith("probe_success "):
                return line == "probe_success 1"
        raise BlackboxUnavailableError(f"what answers at {self._url} is no blackbox_exporter")
