"""What a running controller does between requests."""

import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from controller.state.latest import MAX_STATE_AGE_SECONDS
from tests.controller.rack_process import RackProcess
from tests.helpers.waiting import TIMEOUT_SECONDS, wait_until

pytestmark = pytest.mark.process


@pytest.fixture
def rack_process(tmp_path: Path) -> Iterator[RackProcess]:
    rack_process = RackProcess(tmp_path, contact="normally_closed")
    rack_process.state_folder.mkdir()
    yield rack_process
    rack_process.close()


def failed_queries(url: str) -> float:
    """Return the number of queries, which all fail without a Prometheus."""
    text = requests.get(f"{url}/metrics", timeout=TIMEOUT_SECONDS).text
    pattern = r'^pirack_controller_prometheus_queries_total\{result="failed"\} (.*)$'
    [number] = re.findall(pattern, text, re.MULTILINE)
    return float(number)


def test_controller_reads_the_state_again_after_a_request(rack_process: RackProcess) -> None:
    controller = rack_process.start_controller()
    assert failed_queries(controller.url) == 0

    def is_read_without_another_request() -> bool:
        assert controller.get("rack")["error"]
        before = failed_queries(controller.url)
        time.sleep(MAX_STATE_AGE_SECONDS)
        return failed_queries(controller.url) > before

    wait_until(is_read_without_another_request)
    assert controller.stop(signal.SIGTERM) == 0


def test_log_of_the_database_exists_until_the_controller_stops(rack_process: RackProcess) -> None:
    controller = rack_process.start_controller()
    log = rack_process.state_folder / "pirack.db-wal"
    assert log.exists()
    assert controller.stop(signal.SIGTERM) == 0
    assert not log.exists()
