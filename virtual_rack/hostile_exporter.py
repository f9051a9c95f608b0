"""HTTP server of a hijacked rasp, which attacks the programs that scrape it."""

import gzip
import socketserver
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from enum import StrEnum
from http.server import BaseHTTPRequestHandler
from itertools import count

SERIES_PER_FLOOD = 60_000
_SERIES_ABOVE_LIMIT = 1400
_SERIES_BELOW_LIMIT = 400
_LABEL_BELOW_LIMIT = 100
_LONG_LABEL = 70_000
_BOMB_BYTES = 64 * 2**20
_DRIP_SECONDS = 0.2
_RESPONSES_PER_ATTACK = 12  # a minute of scrapes
_TEXT = "text/plain; version=0.0.4; charset=utf-8"


class Attack(StrEnum):
    """A kind of response.

    - `series-flood`: 60,000 series, which differ from those of the previous response.
    - `excess-series`: more new series than the limit of samples, in 64 KB.
    - `changing-series`: new series of failed aliases, as many as the limits of Prometheus allow.
    - `forged-metrics`: metrics of the controller, of recording rules and of neighbors.
    - `long-label`: a label of 70 KB.
    - `redirect`: a redirect to a service on the loopback interface of the master.
    - `endless-body`: a response that never ends.
    - `slow-drip`: headers that arrive byte by byte and never end.
    - `compression-bomb`: 64 MiB, compressed to less than 300 KiB.
    """

    SERIES_FLOOD = "series-flood"
    EXCESS_SERIES = "excess-series"
    CHANGING_SERIES = "changing-series"
    FORGED_METRICS = "forged-metrics"
    LONG_LABEL = "long-label"
    REDIRECT = "redirect"
    ENDLESS_BODY = "endless-body"
    SLOW_DRIP = "slow-drip"
    COMPRESSION_BOMB = "compression-bomb"


class HostileExporter:
    """A server that responds with one attack after another, each for twelve requests.

    Args:
        address: Address to listen on.
        port: Port to listen on. 0 selects a free port.
        attacks: Attacks in their order.
        redirect_url: Destination of `redirect`, by default Prometheus on the master.
    """

    def __init__(
        self,
        address: str,
        port: int,
        attacks: Sequence[Attack] = tuple(Attack),
        redirect_url: str = "http://127.0.0.1:9090/metrics",
    ) -> None:
        self.port = port
        self._address = address
        self._attacks = attacks
        self._redirect_url = redirect_url
        self._requests = count()
        self._server: socketserver.ThreadingTCPServer | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Bind the port and serve requests. Raise OSError on failure."""
        exporter = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                # The client may close the connection at any time.
                with suppress(OSError):
                    exporter._respond(self)

            def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002
                pass

        class Server(socketserver.ThreadingTCPServer):
            allow_reuse_address = True
            daemon_threads = True
            block_on_close = False

        self._server = Server((self._address, self.port), Handler)
        self.port = int(self._server.server_address[1])
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.05,), name="hostile exporter"
        )
        self._thread.start()

    def follow_addresses(self) -> None:
        """Do nothing, because the address is fixed, or includes all addresses."""

    def close(self) -> None:
        """Stop serving requests and release the port."""
        if self._server is not None and self._thread is not None:
            self._server.shutdown()
            self._thread.join()
            self._server.server_close()
            self._server = None

    def _respond(self, handler: BaseHTTPRequestHandler) -> None:
        number = next(self._requests)
        attack = self._attacks[number // _RESPONSES_PER_ATTACK % len(self._attacks)]
        match attack:
            case Attack.REDIRECT:
                _send(handler, b"", {"Location": self._redirect_url}, status=302)
            case Attack.ENDLESS_BODY:
                _send_endlessly(handler)
            case Attack.SLOW_DRIP:
                _drip(handler)
            case Attack.COMPRESSION_BOMB:
                bomb = gzip.compress(b"#" + bytes(_BOMB_BYTES), compresslevel=1)
                _send(handler, bomb, {"Content-Encoding": "gzip"})
            case _:
                _send(handler, "".join(_TEXTS[attack](number)).encode())


def _send(
    handler: BaseHTTPRequestHandler,
    body: bytes,
    headers: Mapping[str, str] | None = None,
    status: int = 200,
) -> None:
    handler.send_response(status)
    for name, value in {"Content-Type": _TEXT, **(headers or {})}.items():
        handler.send_header(name, value)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)


def _send_endlessly(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Type", _TEXT)
    handler.end_headers()
    while True:
        handler.wfile.write(b"# endless\n" * 6000)


def _drip(handler: BaseHTTPRequestHandler) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    while True:
        handler.wfile.write(b"x")
        time.sleep(_DRIP_SECONDS)


def _series_flood(number: int) -> Iterator[str]:
    for i in range(SERIES_PER_FLOOD):
        yield f'pirack_cpu_temperature_celsius{{flood="{number}-{i}"}} 20\n'


def _excess_series(number: int) -> Iterator[str]:
    for i in range(_SERIES_ABOVE_LIMIT):
        yield f'pirack_cpu_temperature_celsius{{a="{number}-{i}"}} 1\n'


def _changing_series(number: int) -> Iterator[str]:
    for i in range(_SERIES_BELOW_LIMIT):
        yield f'pirack_alias_success{{alias="{f"{number}-{i}-":x<{_LABEL_BELOW_LIMIT}}"}} 0\n'


def _long_label(_number: int) -> Iterator[str]:
    yield f'pirack_alias_success{{alias="{"x" * _LONG_LABEL}"}} 0\n'


def _forged_metrics(_number: int) -> Iterator[str]:
    """Yield metrics that would hide faults of neighbors and cause false alerts."""
    later = round((time.time() + 300) * 1000)
    for stack in range(1, 13):
        labels = f'rack="pirack",stack="{stack:02}",job="controller",instance="127.0.0.1:8080"'
        yield f"pirack_stack_busy{{{labels}}} 1\n"
        yield f"pirack_stack_power_state{{{labels}}} 0\n"
        for slot in range(1, 5):
            rasp = f'{labels},slot="{slot}",rasp="{stack:02}-{slot}"'
            yield f"rack_stack_slot:pirack_rasp_state:max{{{rasp}}} 1\n"
            yield f"probe_success{{{rasp}}} 1\n"
    for name, value in _FORGED_VALUES.items():
        yield f'{name}{{rack="pirack",job="controller"}} {value}\n'
    for computed in ("rack_stack_slot:pirack_rasp_state:max", "pinged_at", "probe_success"):
        yield f'pirack_cpu_load1{{computed="{computed}",quantity="scraped"}} 4\n'
    yield f"pirack_cpu_temperature_celsius 20 {later}\n"


_FORGED_VALUES = {
    "up": 0,
    "ALERTS": 1,
    "pirack_master_temperature_celsius": 99,
    "pirack_install_unfinished": 1,
    "pirack_installed_rasps": 1000,
    "pirack:threshold:hot_celsius": 0,
    "scrape_series_added": 1_000_000,
}
_TEXTS: Mapping[Attack, Callable[[int], Iterator[str]]] = {
    Attack.SERIES_FLOOD: _series_flood,
    Attack.EXCESS_SERIES: _excess_series,
    Attack.CHANGING_SERIES: _changing_series,
    Attack.LONG_LABEL: _long_label,
    Attack.FORGED_METRICS: _forged_metrics,
}
