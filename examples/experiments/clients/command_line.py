"""Command line of the clients.

load STORE NODE… HISTORY   write to the store until SIGTERM, read it, and write the history
ready STORE NODE…          exit with status 0 if the nodes are ready
primary STORE NODE…        print the address of the primary or leader
"""

import os
import signal
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from examples.experiments.clients import etcd, nats, redis
from examples.experiments.clients.workload import Connect, RefusedError, run

_CONNECT: Mapping[str, Connect] = {
    "etcd": etcd.connect,
    "nats": nats.connect,
    "redis": redis.connect,
}
_READY = {"nats": nats.require_ready, "redis": redis.require_ready}
_PRIMARY = {"etcd": etcd.leader, "redis": redis.primary}


def main(arguments: Sequence[str]) -> int:
    """Run a command, and return its exit status."""
    try:
        match arguments:
            case ["load", store, *nodes, history] if nodes and store in _CONNECT:
                _load(store, nodes, Path(history))
            case ["ready", store, *nodes] if nodes and store in _READY:
                _READY[store](nodes)
            case ["primary", store, *nodes] if nodes and store in _PRIMARY:
                print(_PRIMARY[store](nodes))
            case _:
                print(__doc__, file=sys.stderr)
                return 2
    except (OSError, RefusedError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _load(store: str, nodes: Sequence[str], history: Path) -> None:
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    start_ns = int(os.environ.get("PIRACK_START_NS", time.monotonic_ns()))
    if store == "nats":
        nats.create_stream(nodes)
    run(_CONNECT[store], nodes, history, stop, start_ns)
