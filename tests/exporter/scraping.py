"""Access to an exporter over HTTP, and to its processes."""

import os
from dataclasses import dataclass
from pathlib import Path

import requests
from prometheus_client.parser import text_string_to_metric_families

from exporter.server import Exporter
from tests.helpers.waiting import TIMEOUT_SECONDS

TREES = Path(__file__).parent / "trees"
GOLDEN = Path(__file__).parent / "golden"


def write_tree(name: str, root: Path) -> Path:
    """Write the files of a simulated board below `root`.

    A tree is stored as one text, because git and Windows reject some paths of /sys. Each file
    starts with a line `==> PATH <==`, like the output of head(1).
    """
    text = (TREES / f"{name}.txt").read_text()
    for file in text.split("==> ")[1:]:
        path, _, content = file.partition(" <==\n")
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(content)
    return root


@dataclass(frozen=True)
class ServedExporter:
    """A running exporter and its aliases file."""

    exporter: Exporter
    aliases: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.exporter.port}/metrics"

    def metrics(self, timeout: float | None = None) -> dict[str, float]:
        """Scrape the exporter. Return the samples, keyed by `name` or `name{label=value}`."""
        headers = {}
        if timeout is not None:
            headers["X-Prometheus-Scrape-Timeout-Seconds"] = str(timeout)
        response = requests.get(self.url, headers=headers, timeout=TIMEOUT_SECONDS)
        assert response.status_code == 200, response.text
        return parse_metrics(response.text)

    def success(self, alias: str) -> float:
        return self.metrics()[f"pirack_alias_success{{alias={alias}}}"]


def parse_metrics(text: str) -> dict[str, float]:
    samples = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = ",".join(f"{name}={value}" for name, value in sample.labels.items())
            samples[sample.name + (f"{{{labels}}}" if labels else "")] = sample.value
    return samples


def make_sleep_command(name: int) -> str:
    """Return a command that outlasts a test. Its text is unique for a run of the suite."""
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID", f"{os.getpid():x}")
    return f"sleep 1000.{name}{int(run[:6], 16):08}"


def find_processes(marker: str) -> list[int]:
    """Return the ids of running processes with this text in their command line."""
    pids = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and int(folder.name) != os.getpid():
            try:
                line = (folder / "cmdline").read_bytes()
            except OSError:
                continue
            if marker.encode() in line:
                pids.append(int(folder.name))
    return pids
