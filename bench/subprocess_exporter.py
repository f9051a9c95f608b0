"""Simple exporter, which runs the packaged aliases with `subprocess`."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

from prometheus_client import CollectorRegistry, Metric, start_http_server
from prometheus_client.registry import Collector

from bench.peers import packaged_aliases, shell_command
from exporter import output
from exporter.runner import environment


class _Aliases(Collector):
    def __init__(self, root: Path) -> None:
        self._environment = environment(root)

    def collect(self) -> Iterator[Metric]:
        for alias in ALIASES:
            family = Metric(alias.family, alias.help, "gauge")
            stdout = subprocess.run(  # noqa: S602 - part of the benchmark
                shell_command(alias),
                shell=True,
                env=self._environment,
                capture_output=True,
                check=True,
                timeout=5,
            ).stdout
            for labels, value in output.parse(stdout):
                family.add_sample(alias.metric, labels, value)
            yield family

    def describe(self) -> list[Metric]:
        return []


ALIASES = packaged_aliases()

if __name__ == "__main__":
    registry = CollectorRegistry()
    registry.register(_Aliases(Path(sys.argv[1])))
    start_http_server(int(sys.argv[2]), "127.0.0.1", registry)
    threading.Event().wait()
