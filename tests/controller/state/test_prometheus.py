"""How the controller takes what a Prometheus, or something in its place, answers."""

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from controller.state.prometheus import Prometheus, PrometheusUnavailableError


@contextmanager
def http_server_returning(status: int, body: bytes) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def error_from(
    url: str, query: Callable[[Prometheus], object] = lambda each: each.query("up")
) -> str:
    with pytest.raises(PrometheusUnavailableError) as caught:
        query(Prometheus(url, timeout=0.5))
    return str(caught.value)


def test_a_prometheus_that_is_not_there_cannot_be_reached() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    assert error_from(f"http://127.0.0.1:{port}") == (
        f"Prometheus at http://127.0.0.1:{port} cannot be reached"
    )


def test_one_that_accepts_and_never_answers_is_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        assert error_from(url) == f"Prometheus at {url} gave no answer in 0.5 s"


@pytest.mark.parametrize(
    ("status", "body", "told"),
    [
        (200, b"<html>hello</html>", "does not answer like Prometheus (HTTP 200)"),
        (200, b"[]", "said: []"),
        (200, b'{"status": "success", "data": {"resultType": "matrix"}}', "said: "),
        (200, b'{"data": {"resultType": "vector", "result": [{"metric": {}}]}}', "said: "),
        (400, b'{"status": "error", "error": "parse error"}', "said: parse error"),
        (503, b"Service Unavailable", "does not answer like Prometheus (HTTP 503)"),
    ],
)
def test_what_is_no_answer_of_prometheus_is_told(status: int, body: bytes, told: str) -> None:
    with http_server_returning(status, body) as url:
        assert told in error_from(url)


def test_a_vector_is_read_with_its_labels() -> None:
    body = (
        b'{"status":"success","data":{"resultType":"vector","result":['
        b'{"metric":{"__name__":"up","rasp":"03-2"},"value":[1700000000.1,"1"]}]}}'
    )
    with http_server_returning(200, body) as url:
        (sample,) = Prometheus(url + "/").query("up")
    assert (sample.name, sample.labels["rasp"], sample.value) == ("up", "03-2", 1.0)
