"""Controllers that are away, hostile, or none at all: one line, status 3, and never a traceback."""

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

ServeResponse = Callable[..., str]

PROBLEM = "application/problem+json"


@pytest.fixture
def serve() -> Iterator[ServeResponse]:
    """Serve one answer at whatever is asked, by a server that is no controller."""
    servers: list[ThreadingHTTPServer] = []

    def serve_it(
        body: bytes, kind: str = "application/json", status: int = 200, location: str = ""
    ) -> str:
        class Stranger(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(status)
                self.send_header("Content-Type", kind)
                if location:
                    self.send_header("Location", location)
                self.end_headers()
                # It hangs up on an answer that does not end.
                with suppress(BrokenPipeError, ConnectionResetError):
                    self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Stranger)
        threading.Thread(target=server.serve_forever, args=(0.02,)).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}"

    yield serve_it
    for server in servers:
        server.shutdown()
        server.server_close()


def error_message(completed: subprocess.CompletedProcess[str], status: int = 3) -> str:
    assert (completed.returncode, completed.stdout) == (status, ""), completed.stderr
    assert completed.stderr.startswith("pirack: ")
    assert completed.stderr.count("\n") == 1
    return completed.stderr.removeprefix("pirack: ").rstrip()


def test_a_controller_that_is_away_is_named_with_the_mend(run: RunPirack) -> None:
    with closing(socket.socket()) as held:  # bound and not listening: nobody can answer here
        held.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{held.getsockname()[1]}"
        assert error_message(run("status", at=url)) == (
            f"no controller answers at {url}: start it, or name another by --url or PIRACK_URL"
        )


@pytest.mark.parametrize(
    ("body", "kind", "why"),
    [
        (b"<h1>Welcome</h1>", "text/html", "it sends text/html, HTTP 200"),
        (b"{", "application/json", "what it sends is no JSON"),
        (b"[" * 100_000, "application/json", "what it sends is no JSON"),
        (b"[]", "application/json", "its answer is of another kind"),
        (b"{}", "application/json", "its answer lacks what a controller's has"),
        (b'{"name": 1, "hottest": [], "care": 7}', "application/json", "its answer lacks"),
        (b" " * 20_000_000, "application/json", "its answer does not end"),
    ],
    ids=["page", "broken", "deep", "list", "empty", "odd", "giant"],
)
def test_what_is_no_controller_is_told_apart(
    run: RunPirack, serve: ServeResponse, body: bytes, kind: str, why: str
) -> None:
    url = serve(body, kind)
    told = error_message(run("status", at=url))
    assert told.startswith(f"what answers at {url} is no controller of PiRack, {why}")
    assert told.endswith("name another by --url or PIRACK_URL")


def test_rasps_that_lack_what_a_rasp_has_are_no_controllers(
    run: RunPirack, serve: ServeResponse
) -> None:
    assert "no controller of PiRack" in error_message(run("rasps", at=serve(b"[1, {}, null]")))


def test_a_controller_that_fails_or_cannot_is_told_with_its_own_words(
    run: RunPirack, serve: ServeResponse, world: FakeRackState
) -> None:
    url = serve(b'{"detail": "it broke"}', PROBLEM, 500)
    assert error_message(run("rasps", at=url)) == (
        f"the controller at {url} cannot answer, see its log: it broke"
    )
    world.is_database_broken = True
    assert "pirack.db: database disk image is malformed" in error_message(run("rasps"))


def test_a_failure_without_words_is_not_taken_for_a_controllers(
    run: RunPirack, serve: ServeResponse
) -> None:
    assert "no controller of PiRack" in error_message(
        run("rasps", at=serve(b"oh", "text/plain", 500))
    )


def test_a_token_does_not_follow_a_redirect(
    run: RunPirack, serve: ServeResponse, url: str, environment: dict[str, str]
) -> None:
    environment["PIRACK_TOKEN"] = "secret"
    elsewhere = serve(b"", "text/html", 302, location=f"{url}/api/v1.0/rack")
    assert "HTTP 302" in error_message(run("status", at=elsewhere))


def test_words_of_a_stranger_cannot_steer_the_terminal(
    run: RunPirack, serve: ServeResponse
) -> None:
    rack = {
        "name": "\x1b]0;owned\x07\x1b[2J",
        "stacks": 1,
        "rasps": 1,
        "states": {"up": 1},
        "hottest": None,
        "care": [{"wrong": "\x1b[31m", "why": "\u202eback", "rasps": ["a\nb"]}],
        "trouble": "",
    }
    done = run("status", at=serve(json.dumps(rack).encode()))
    assert done.returncode == 1
    assert [c for c in done.stdout if not c.isprintable() and c != "\n"] == []
    problem = json.dumps({"detail": "\x1b[2Jgone"}).encode()
    assert "\x1b" not in error_message(run("rasps", at=serve(problem, PROBLEM, 503)))


@contextmanager
def slow_server(*, drips: bool) -> Iterator[str]:
    """Take connections, and say nothing, or a byte at a time and never all."""
    done = threading.Event()
    server = socket.create_server(("127.0.0.1", 0))

    def answer() -> None:
        with closing(server), closing(server.accept()[0]) as connection:
            if drips:
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n")
            while not done.wait(0.2):
                if drips:
                    try:
                        connection.sendall(b" ")
                    except OSError:
                        return

    thread = threading.Thread(target=answer)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
    finally:
        done.set()
        thread.join()


def test_a_controller_that_hangs_or_never_ends_its_answer_is_given_up(
    environment: dict[str, str],
) -> None:
    with (
        slow_server(drips=False) as silent,
        slow_server(drips=True) as dripping,
        ExitStack() as ends,
    ):
        asked = {
            url: ends.enter_context(
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
        for process in asked.values():
            ends.callback(process.kill)
        for url, process in asked.items():
            out, err = process.communicate(timeout=30)
            told = error_message(
                subprocess.CompletedProcess(process.args, process.returncode, out, err)
            )
            assert told.startswith(f"the controller at {url} gave no whole answer in 10 s")


@pytest.mark.parametrize("url", ["controller:8080", "ftp://controller", "http://", "http://[::1"])
def test_what_is_no_url_is_refused_before_anybody_is_asked(run: RunPirack, url: str) -> None:
    assert "write http://HOST:PORT" in error_message(run("--url", url, "status"), 2)


def test_nobody_waits_at_a_tab_for_a_controller_that_hangs(environment: dict[str, str]) -> None:
    asked = {"_PIRACK_COMPLETE": "bash_complete", "COMP_CWORD": "2", "COMP_WORDS": "pirack run re"}
    with slow_server(drips=False) as url:
        done = subprocess.run(
            [PIRACK],
            env={**environment, **asked, "PIRACK_URL": url},
            capture_output=True,
            text=True,
            timeout=8,  # a command would wait for ten seconds
            check=False,
        )
    assert (done.stdout.strip(), done.stderr) == ("", "")
