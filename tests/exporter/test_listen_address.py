"""Address of the exporter: parsing, and a real exporter whose address changes."""

import subprocess
import sys
from collections.abc import Iterator
from ipaddress import IPv4Network
from pathlib import Path

import psutil
import pytest

from exporter.listen_address import ListenAddress
from tests.helpers.waiting import TIMEOUT_SECONDS, wait_until
from tools.programs import find
from tools.wrappers import write_wrapper

PORT = 9849
READ_URL = "import sys, urllib.request as r; print(r.urlopen(sys.argv[1], timeout=10).read())"
SUBNET = "10.23.0.0/16"
FIRST, SECOND, VIRTUAL, FOREIGN = "10.23.3.1", "10.23.3.2", "10.23.0.100", "192.0.2.1"


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("10.23.3.1:9849", "10.23.3.1"),
        ("[fd00::1]:9849", "fd00::1"),
        ("10.23.0.0/16:9849", IPv4Network("10.23.0.0/16")),
    ],
)
def test_address_and_network_are_parsed(text: str, host: object) -> None:
    assert ListenAddress.parse(text) == ListenAddress(host, PORT)  # type: ignore[arg-type]


@pytest.mark.parametrize("text", ["10.23.0.0/16", "10.23.3.1/16:9849", "10.23.0.0/x:9849"])
def test_invalid_network_is_rejected(text: str) -> None:
    with pytest.raises(ValueError, match=r"10\.23"):
        ListenAddress.parse(text)


class NetworkedExporter:
    """An exporter in a network namespace of its own, whose addresses a test changes."""

    def __init__(self, folder: Path) -> None:
        write_wrapper(find("ip"), folder)
        self._ip = str(folder / "ip")
        self._log = folder / "log"
        with self._log.open("w") as output:
            # The shell brings loopback up, waits for a line, and starts the exporter.
            self._process = subprocess.Popen(
                [
                    *("unshare", "--net", "--kill-child", "--fork", "sh", "-c"),
                    '"$0" link set lo up && echo ready && read _ && exec "$@"',
                    *(self._ip, sys.executable, "-m", "exporter", "--listen", f"{SUBNET}:{PORT}"),
                ],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=output,
                text=True,
            )
        assert self._process.stdout is not None
        if self._process.stdout.readline() != "ready\n":
            self.close()
            pytest.skip(f"network namespaces are not available: {self.log}")
        [child] = psutil.Process(self._process.pid).children()
        self._enter = ["nsenter", f"--target={child.pid}", "--net", "--"]

    @property
    def log(self) -> str:
        return self._log.read_text()

    def start(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        wait_until(lambda: "metrics at" in self.log or "waiting for" in self.log)

    def change(self, action: str, address: str) -> None:
        command = [self._ip, "address", action, f"{address}/32", "dev", "lo"]
        subprocess.run([*self._enter, *command], check=True, timeout=TIMEOUT_SECONDS)

    def listening(self) -> set[str]:
        """Return the addresses at which the kernel accepts connections to the port."""
        table = subprocess.run(
            [*self._enter, "cat", "/proc/thread-self/net/tcp", "/proc/thread-self/net/tcp6"],
            capture_output=True,
            text=True,
            check=True,
            timeout=TIMEOUT_SECONDS,
        ).stdout
        rows = [line.split() for line in table.splitlines() if " 0A " in line]
        return {
            ".".join(str(byte) for byte in reversed(bytes.fromhex(row[1].partition(":")[0])))
            for row in rows
            if int(row[1].rpartition(":")[2], 16) == PORT
        }

    def metrics(self, address: str) -> str:
        url = f"http://{address}:{PORT}/metrics"
        return subprocess.run(
            [*self._enter, sys.executable, "-c", READ_URL, url],
            capture_output=True,
            text=True,
            check=True,
            timeout=TIMEOUT_SECONDS,
        ).stdout

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()


@pytest.fixture
def exporter(tmp_path: Path) -> Iterator[NetworkedExporter]:
    exporter = NetworkedExporter(tmp_path)
    yield exporter
    exporter.close()


@pytest.mark.process
def test_exporter_follows_its_address_and_listens_nowhere_else(
    exporter: NetworkedExporter,
) -> None:
    exporter.change("add", FIRST)
    exporter.change("add", FOREIGN)
    exporter.start()
    assert exporter.listening() == {FIRST}
    exporter.change("del", FIRST)
    exporter.change("add", SECOND)
    wait_until(lambda: exporter.listening() == {SECOND})
    assert "pirack_exporter_info" in exporter.metrics(SECOND)
    exporter.change("add", VIRTUAL)
    wait_until(lambda: exporter.listening() == {SECOND, VIRTUAL})
    exporter.change("del", VIRTUAL)
    wait_until(lambda: exporter.listening() == {SECOND})
    assert "pirack_exporter_info" in exporter.metrics(SECOND)


@pytest.mark.process
def test_exporter_without_address_waits_for_one(exporter: NetworkedExporter) -> None:
    exporter.change("add", FOREIGN)
    exporter.start()
    assert f"waiting for an address in {SUBNET}" in exporter.log
    assert exporter.listening() == set()
    exporter.change("add", FIRST)
    wait_until(lambda: exporter.listening() == {FIRST})
    assert f"now listening at {FIRST}" in exporter.log
