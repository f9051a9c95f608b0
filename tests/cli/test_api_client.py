"""Unreachable, failing and hostile controllers: one error line and status 3, no traceback."""

import json
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.cli.conftest import RunPirack
from tests.cli.terminal import PIRACK
from tests.controller.fakes import FakeRackState
from tests.helpers.waiting import TIMEOUT_SECONDS

pytestmark = pytest.mark.process

ServeResponse = Callable[..., str]

PROBLEM = "application/problem+json"

RACK = {
    "name": "small",
    "stacks": 1,
    "rasps": 1,
    "states": {"up": 1},
    "operations": {},
    "hottest": None,
    "issues": [],
    "issues_error": "",
    "power_warnings": [],
    "error": "",
    "network": "10.23.0.0/16",
    "exporter_port": 9849,
}


@pytest.fixture
def serve() -> Iterator[ServeResponse]:
    """Start servers that send one response to every request."""
    servers: list[ThreadingHTTPServer] = []

    def start_server(
        body: bytes, content_type: str = "application/json", status: int = 200, location: str = ""
    ) -> str:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(status)
                self.send_header("Content-Type", content_type)
                if location:
                    self.send_header("Location", location)
                self.end_headers()
                # The client closes the connection if the response is too large.
                with suppress(BrokenPipeError, ConnectionResetError):
                    self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, args=(0.02,)).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}"

    yield start_server
    for server in servers:
        server.shutdown()
        server.server_close()


def error_message(completed: subprocess.CompletedProcess[str], status: int = 3) -> str:
    assert (completed.returncode, completed.stdout) == (status, ""), completed.stderr
    assert completed.stderr.startswith("pirack: ")
    assert completed.stderr.count("\n") == 1
    return completed.stderr.removeprefix("pirack: ").rstrip()


def test_unreachable_controller_is_reported_with_url_and_fix(run: RunPirack) -> None:
    with closing(socket.socket()) as bound:  # but not listening
        bound.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{bound.getsockname()[1]}"
        assert error_message(run("status", at=url)) == (
            f"cannot connect to the controller at {url}: start it, or set --url or PIRACK_URL"
        )


@pytest.mark.parametrize(
    ("body", "content_type", "reason"),
    [
        (b"<h1>Welcome</h1>", "text/html", "it sent text/html, HTTP 200"),
        (b"{", "application/json", "it sent invalid JSON"),
        (b"[" * 100_000, "application/json", "it sent invalid JSON"),
        (b"[]", "application/json", "unexpected response, list instead of ApiRack"),
        (b"{}", "application/json", "unexpected response, missing error, exporter_port, "),
        (json.dumps(RACK | {"issues": 7}).encode(), "application/json", "unexpected response, int"),
        (b" " * 20_000_000, "application/json", "its response is too large"),
    ],
    ids=["page", "broken", "deep", "list", "empty", "types", "giant"],
)
def test_other_server_is_reported_as_not_a_controller(
    run: RunPirack, serve: ServeResponse, body: bytes, content_type: str, reason: str
) -> None:
    url = serve(body, content_type)
    message = error_message(run("status", at=url))
    assert message.startswith(f"the server at {url} is not a PiRack controller: {reason}")
    assert message.endswith(": set --url or PIRACK_URL")


def test_rasps_with_missing_fields_are_rejected(run: RunPirack, serve: ServeResponse) -> None:
    assert "not a PiRack controller" in error_message(run("rasps", at=serve(b"[1, {}, null]")))


def test_error_of_controller_is_reported_with_its_detail(
    run: RunPirack, serve: ServeResponse, rack_state: FakeRackState
) -> None:
    url = serve(b'{"detail": "it broke"}', PROBLEM, 500)
    assert error_message(run("rasps", at=url)) == (
        f"the controller at {url} failed, see its log: it broke"
    )
    rack_state.is_database_broken = True
    assert "pirack.db: database disk image is malformed" in error_message(run("rasps"))


def test_error_without_detail_is_reported_as_not_from_a_controller(
    run: RunPirack, serve: ServeResponse
) -> None:
    assert "not a PiRack controller" in error_message(
        run("rasps", at=serve(b"oh", "text/plain", 500))
    )


def test_token_is_not_sent_to_redirect_target(
    run: RunPirack, serve: ServeResponse, url: str, environment: dict[str, str]
) -> None:
    environment["PIRACK_TOKEN"] = "secret"
    redirecting = serve(b"", "text/html", 302, location=f"{url}/api/v1.0/rack")
    assert "HTTP 302" in error_message(run("status", at=redirecting))


def test_control_characters_of_a_response_are_not_printed(
    run: RunPirack, serve: ServeResponse
) -> None:
    rack = RACK | {
        "name": "\x1b]0;owned\x07\x1b[2J",
        "issues": [
            {"severity": "\x1b[31m", "started_at": 0.0, "reason": "\u202eback", "explains": []}
        ],
        "issues_error": "a\nb",
        "power_warnings": [{"reason": "\x1b[2J", "rasps": ["a\nb"]}],
    }
    completed = run("status", at=serve(json.dumps(rack).encode()))
    assert completed.returncode == 1
    assert [c for c in completed.stdout if not c.isprintable() and c != "\n"] == []
    problem = json.dumps({"detail": "\x1b[2Jgone"}).encode()
    assert "\x1b" not in error_message(run("rasps", at=serve(problem, PROBLEM, 503)))


@contextmanager
def slow_server(*, drips: bool) -> Iterator[str]:
    """Accept a connection and send nothing, or single bytes without an end."""
    stop = threading.Event()
    server = socket.create_server(("127.0.0.1", 0))
    server.settimeout(30)

    def respond() -> None:
        with closing(server), suppress(TimeoutError), closing(server.accept()[0]) as connection:
            if drips:
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n")
            while not stop.wait(0.2):
                if drips:
                    try:
                        connection.sendall(b" ")
                    except OSError:
                        return

    thread = threading.Thread(target=respond)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
    finally:
        stop.set()
        thread.join()


def test_hanging_and_endless_responses_time_out(
    environment: dict[str, str],
) -> None:
    with (
        slow_server(drips=False) as silent,
        slow_server(drips=True) as dripping,
        ExitStack() as stack,
    ):
        processes = {
            url: stack.enter_context(
                subprocess.Popen(
                    [PIRACK, "--url", url, "status"],
                    env=environment,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    text=True,
                )
            )
            for url in (silent, dripping)
        }
        for process in processes.values():
            stack.callback(process.kill)
        for url, process in processes.items():
            out, err = process.communicate(timeout=TIMEOUT_SECONDS)
            message = error_message(
                subprocess.CompletedProcess(process.args, process.returncode, out, err)
            )
            assert message.startswith(
                f"the controller at {url} sent no complete response within 10 s"
            )


@pytest.mark.parametrize("url", ["controller:8080", "ftp://controller", "http://", "http://[::1"])
def test_invalid_url_is_rejected(run: RunPirack, url: str) -> None:
    assert "write http://HOST:PORT" in error_message(run("--url", url, "status"), 2)


def test_completion_does_not_wait_for_hanging_controller(environment: dict[str, str]) -> None:
    variables = {
        "_PIRACK_COMPLETE": "bash_complete",
        "COMP_CWORD": "2",
        "COMP_WORDS": "pirack run re",
    }
    with (
        slow_server(drips=False) as url,
        subprocess.Popen(
            [PIRACK, "--url", url, "status"], env=environment, stderr=subprocess.DEVNULL
        ) as command,
    ):
        completed = subprocess.run(
            [PIRACK],
            env={**environment, **variables, "PIRACK_URL": url},
            capture_output=True,
            text=True,
            timeout=TIMEOUT_SECONDS,
            check=False,
        )
        is_waiting = command.poll() is None  # a command waits ten seconds
        command.kill()
    assert is_waiting
    assert (completed.stdout.strip(), completed.stderr) == ("", "")
