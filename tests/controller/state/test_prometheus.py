"""The Prometheus client with valid, invalid and missing responses."""

import socket
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from controller.state.prometheus import AlertRule, Prometheus, PrometheusUnavailableError
from tests.helpers.waiting import TIMEOUT_SECONDS


def http_server_returning(
    status: int, body: bytes, *, requested: list[str] | None = None
) -> AbstractContextManager[str]:
    """Yield the URL of a server. The paths of its requests are added to `requested`."""

    def answer(path: str) -> tuple[int, bytes]:
        if requested is not None:
            requested.append(path)
        return status, body

    return http_server_answering(answer)


@contextmanager
def http_server_answering(answer: Callable[[str], tuple[int, bytes]]) -> Iterator[str]:
    """Yield the URL of a server that answers the path of a request with a status and a body."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = answer(self.path)
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def error_from(
    url: str,
    query: Callable[[Prometheus], object] = lambda prometheus: prometheus.query("up"),
    *,
    timeout: float = TIMEOUT_SECONDS,
) -> str:
    with pytest.raises(PrometheusUnavailableError) as caught:
        query(Prometheus(url, timeout=timeout))
    return str(caught.value)


def test_query_reports_refused_connection() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    assert error_from(f"http://127.0.0.1:{port}") == (
        f"Prometheus at http://127.0.0.1:{port} cannot be reached"
    )


def test_query_times_out_without_response() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        assert error_from(url, timeout=0.5) == f"Prometheus at {url} did not respond within 0.5 s"


@pytest.mark.parametrize(
    ("status", "body", "message"),
    [
        (200, b"<html>hello</html>", "did not return a Prometheus response (HTTP 200)"),
        (200, b"[]", ": []"),
        (
            200,
            b'{"status": "success", "data": {"resultType": "matrix"}}',
            "unexpected response from Prometheus at ",
        ),
        (
            200,
            b'{"data": {"resultType": "vector", "result": [{"metric": {}}]}}',
            "unexpected response from Prometheus at ",
        ),
        (400, b'{"status": "error", "error": "parse error"}', ": parse error"),
        (503, b"Service Unavailable", "did not return a Prometheus response (HTTP 503)"),
    ],
)
def test_query_reports_invalid_response(status: int, body: bytes, message: str) -> None:
    with http_server_returning(status, body) as url:
        assert message in error_from(url)


def test_query_returns_samples_with_labels() -> None:
    body = (
        b'{"status":"success","data":{"resultType":"vector","result":['
        b'{"metric":{"__name__":"up","rasp":"03-2"},"value":[1700000000.1,"1"]}]}}'
    )
    with http_server_returning(200, body) as url:
        (sample,) = Prometheus(url + "/").query("up")
    assert (sample.name, sample.labels["rasp"], sample.value) == ("up", "03-2", 1.0)


def test_rules_have_the_templates_of_their_alerts_and_the_time_until_they_start() -> None:
    body = (
        b'{"status":"success","data":{"groups":[{"name":"rasps","rules":[{"type":"alerting",'
        b'"name":"PiRackRaspDown","query":"up == 0","duration":120,"alerts":[],'
        b'"labels":{"severity":"critical"},"annotations":{"summary":"{{ $labels.rasp }} is down"}'
        b"}]}]}}"
    )
    with http_server_returning(200, body) as url:
        [rule] = Prometheus(url).alert_rules()
    annotations = {"summary": "{{ $labels.rasp }} is down"}
    assert rule == AlertRule("PiRackRaspDown", "critical", 120.0, annotations)
