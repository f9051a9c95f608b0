"""The HTTP server of the controller in a thread."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread
from typing import Any
from wsgiref.types import WSGIApplication

from waitress import wasyncore
from waitress.channel import HTTPChannel

from controller.web.reverse_proxy import ReverseProxy
from controller.web.server import create_server

_POLL_SECONDS = 0.05


@contextmanager
def running_server(app: WSGIApplication, *, proxy: str | None = None) -> Iterator[str]:
    """Serve an application. Yield its URL."""
    server = create_server(ReverseProxy(app, proxy), "127.0.0.1:0", proxy=proxy)
    stop = Event()
    thread = Thread(target=_serve, args=(server.map, stop))
    thread.start()
    [(host, port)] = server.effective_listen
    yield f"http://{host}:{port}"
    stop.set()
    thread.join()
    server.task_dispatcher.shutdown()
    _close_all(server.map)


def _serve(sockets: dict[int, Any], stop: Event) -> None:
    while not stop.is_set():
        wasyncore.loop(timeout=_POLL_SECONDS, use_poll=True, map=sockets, count=1)


def _close_all(sockets: dict[int, Any]) -> None:
    for channel in [each for each in sockets.values() if isinstance(each, HTTPChannel)]:
        channel.handle_close()  # also closes the files that it was sending
    wasyncore.close_all(sockets)
