"""The HTTP server of the controller in a thread."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from threading import Thread
from typing import Any
from wsgiref.types import WSGIApplication

from waitress import wasyncore
from waitress.channel import HTTPChannel

from controller.web.reverse_proxy import ReverseProxy
from controller.web.server import create_server


@contextmanager
def running_server(app: WSGIApplication, *, proxy: str | None = None) -> Iterator[str]:
    """Serve an application. Yield its URL."""
    server = create_server(ReverseProxy(app, proxy), "127.0.0.1:0", proxy=proxy)
    thread = Thread(target=server.run)
    thread.start()
    [(host, port)] = server.effective_listen
    yield f"http://{host}:{port}"
    listening = next(each for each in server.map.values() if each.accepting)
    listening.trigger.pull_trigger(partial(_close_all, server.map))
    thread.join()
    server.task_dispatcher.shutdown()


def _close_all(sockets: dict[int, Any]) -> None:
    for channel in [each for each in sockets.values() if isinstance(each, HTTPChannel)]:
        channel.handle_close()  # also closes the files that it was sending
    wasyncore.close_all(sockets)
