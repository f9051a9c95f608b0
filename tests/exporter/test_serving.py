"""Tests of /metrics with ordinary and hostile clients."""

import os
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests

from exporter import __version__, aliases
from exporter.http_server import Tls
from exporter.server import Exporter
from tests.exporter.scraping import GOLDEN, ServedExporter, write_tree
from tests.helpers.waiting import TIMEOUT_SECONDS, wait_until

pytestmark = pytest.mark.process

Serve = Callable[..., ServedExporter]

PROMETHEUS = {
    "Accept": "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.2",
    "Accept-Encoding": "gzip",
}


def statvfs_of_32_gb(path: str) -> os.statvfs_result:
    return os.statvfs_result((4096, 4096, 7_500_000, 5_000_000, 4_600_000, 1, 1, 1, 0, 255))


def without_times(text: str) -> str:
    lines = text.replace(__version__, "VERSION").splitlines(keepends=True)
    return "".join(
        f"{line.rsplit(' ', 1)[0]} SECONDS\n" if line.startswith("pirack_alias_dur") else line
        for line in lines
    )


@pytest.mark.parametrize("board", ["pi3", "pi4", "pi5"])
def test_metrics_of_a_board_match_golden_file(board: str, serve: Serve, tmp_path: Path) -> None:
    rasp = serve(root=write_tree(board, tmp_path / board), statvfs=statvfs_of_32_gb)
    text = without_times(requests.get(rasp.url, headers=PROMETHEUS, timeout=TIMEOUT_SECONDS).text)
    golden = GOLDEN / f"{board}.txt"
    if os.environ.get("PIRACK_WRITE_GOLDEN") == "1":
        golden.write_text(text)
    assert text == golden.read_text()


def test_alias_of_a_missing_sensor_fails_without_a_value(serve: Serve, tmp_path: Path) -> None:
    metrics = serve(root=write_tree("pi5", tmp_path / "pi5")).metrics()
    assert "pirack_cpu_temperature_celsius" not in metrics
    assert metrics["pirack_alias_success{alias=cpu_temperature_celsius}"] == 0
    assert metrics["pirack_up"] == 0
    assert metrics["pirack_cpu_frequency_hertz"] == 2.4e9


def child_page_faults(pid: int) -> int:
    """Return the number of page faults of reaped children. Every child causes page faults."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[8])


def test_scrape_of_packaged_aliases_starts_no_process(serve: Serve) -> None:
    rasp = serve()
    rasp.metrics()
    [shell] = rasp.exporter._runner._shared_shell.pids()
    page_faults = [child_page_faults(pid) for pid in (shell, os.getpid())]
    for _ in range(3):
        assert rasp.metrics()["pirack_up"] == 1
    assert rasp.exporter._runner._shared_shell.pids() == {shell}
    assert [child_page_faults(pid) for pid in (shell, os.getpid())] == page_faults


def test_other_path_is_not_found(serve: Serve) -> None:
    rasp = serve("[a]\nb = echo 1\n")
    response = requests.get(rasp.url + "/x", timeout=TIMEOUT_SECONDS)
    assert (response.status_code, response.text) == (404, "metrics are at /metrics\n")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_other_method_is_not_allowed(method: str, serve: Serve) -> None:
    response = requests.request(method, serve("[a]\nb = echo 1\n").url, timeout=TIMEOUT_SECONDS)
    assert response.status_code == 405
    assert response.headers["Allow"] == "OPTIONS,GET"


def test_content_type_is_accepted_by_prometheus_3(serve: Serve) -> None:
    response = requests.get(
        serve("[a]\nb = echo 1\n").url, headers=PROMETHEUS, timeout=TIMEOUT_SECONDS
    )
    assert response.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"


def test_scrape_can_select_one_metric(serve: Serve) -> None:
    rasp = serve("[a]\nb = echo 1\nc = echo 2\n")
    text = requests.get(rasp.url, params={"name[]": "pirack_a_b"}, timeout=TIMEOUT_SECONDS).text
    assert text.endswith("pirack_a_b 1.0\n")
    assert "pirack_a_c" not in text


def test_counter_has_type_counter(serve: Serve) -> None:
    text = requests.get(serve("[a]\nb_total = echo 1\n").url, timeout=TIMEOUT_SECONDS).text
    assert "# TYPE pirack_a_b_total counter\npirack_a_b_total 1.0\n" in text


@pytest.mark.parametrize("timeout", ["2", "nan", "x", "-1", "0", "1e9", ""])
def test_scrape_ignores_invalid_timeout_header(timeout: str, serve: Serve) -> None:
    rasp = serve("[a]\nb = echo 1\n")
    headers = {"X-Prometheus-Scrape-Timeout-Seconds": timeout}
    assert "pirack_a_b 1.0" in requests.get(rasp.url, headers=headers, timeout=TIMEOUT_SECONDS).text


def test_scrape_timeout_limits_alias_with_longer_timeout(serve: Serve) -> None:
    rasp = serve("[a]\nslow = sleep 1000\nslow.timeout = 100\nb = echo 1\n")
    metrics = rasp.metrics(timeout=4)
    assert metrics["pirack_a_b"] == 1
    assert metrics["pirack_alias_duration_seconds{alias=a_slow}"] < 4


def test_concurrent_scrapes_share_collections(serve: Serve, tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    rasp = serve(f"[a]\nb = echo x >> {runs}; sleep 3; echo 7\n")
    with ThreadPoolExecutor(50) as pool:
        values = list(pool.map(lambda _: rasp.metrics()["pirack_a_b"], range(50)))
    assert values == [7] * 50
    assert len(runs.read_text().splitlines()) <= 10
    wait_until(lambda: threading.active_count() < 20)


def test_start_fails_if_port_is_in_use(serve: Serve) -> None:
    rasp = serve("[a]\nb = echo 1\n")
    second = Exporter(aliases.load(rasp.aliases), "127.0.0.1", rasp.exporter.port)
    with pytest.raises(OSError, match="in use"):
        second.start()
    second.close()


def test_close_frees_the_port(serve: Serve) -> None:
    rasp = serve("[a]\nb = echo 1\n")
    rasp.metrics()
    port = rasp.exporter.port
    rasp.exporter.close()
    next_exporter = Exporter(aliases.load(rasp.aliases), "127.0.0.1", port)
    next_exporter.start()
    assert ServedExporter(next_exporter, rasp.aliases).metrics()["pirack_a_b"] == 1
    next_exporter.close()


def test_reload_activates_new_aliases(serve: Serve) -> None:
    rasp = serve("[a]\nb = echo 1\n")
    rasp.metrics()
    rasp.aliases.write_text("[a]\nc = echo 2\n")
    rasp.exporter.reload(rasp.aliases)
    metrics = rasp.metrics()
    assert metrics["pirack_a_c"] == 2
    assert "pirack_a_b" not in metrics
    assert metrics["pirack_config_last_reload_successful"] == 1


def test_reload_of_invalid_file_keeps_current_aliases(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    rasp = serve("[a]\nb = echo 1\n")
    rasp.aliases.write_text("[a]\nb = reboot\n")
    rasp.exporter.reload(rasp.aliases)
    metrics = rasp.metrics()
    assert metrics["pirack_a_b"] == 1
    assert metrics["pirack_config_last_reload_successful"] == 0
    assert f"{rasp.aliases}:2: b would run reboot at each scrape: move it to" in caplog.text
    rasp.aliases.write_text("[a]\nb = echo 3\n")
    rasp.exporter.reload(rasp.aliases)
    assert rasp.metrics()["pirack_a_b"] == 3
    assert rasp.metrics()["pirack_config_last_reload_successful"] == 1


def test_failure_and_recovery_of_alias_are_logged_once(
    serve: Serve, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    sensor = tmp_path / "sensor"
    rasp = serve(f"[a]\nb = read -r x < {sensor} && echo $x\n")
    rasp.metrics()
    rasp.metrics()
    sensor.write_text("5\n")
    rasp.metrics()
    messages = [line.getMessage() for line in caplog.records if "a_b" in line.getMessage()]
    assert messages == [
        f"a_b: exit status 2: cannot open {sensor}: No such file",
        "a_b succeeds again",
    ]


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a CA and its certificates for a server and a client."""
    folder = tmp_path_factory.mktemp("certificates")

    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)

    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    openssl("req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=test CA")
    for name in ("server", "client"):
        openssl(
            "req", "-x509", *key, "-keyout", f"{name}.key", "-out", f"{name}.pem",
            "-CA", "ca.pem", "-CAkey", "ca.key", "-subj", f"/CN={name}",
            "-addext", "subjectAltName=IP:127.0.0.1",
            "-addext", "basicConstraints=critical,CA:FALSE",
        )  # fmt: skip
    return folder


def test_tls_server_uses_its_certificate(serve: Serve, certificates: Path) -> None:
    rasp = serve(
        "[a]\nb = echo 1\n", tls=Tls(certificates / "server.pem", certificates / "server.key")
    )
    url = rasp.url.replace("http:", "https:")
    assert (
        "pirack_a_b 1.0"
        in requests.get(url, verify=str(certificates / "ca.pem"), timeout=TIMEOUT_SECONDS).text
    )


def test_tls_server_rejects_client_without_certificate(serve: Serve, certificates: Path) -> None:
    tls = Tls(certificates / "server.pem", certificates / "server.key", certificates / "ca.pem")
    rasp = serve("[a]\nb = echo 1\n", tls=tls)
    url = rasp.url.replace("http:", "https:")
    ca = str(certificates / "ca.pem")
    with pytest.raises(requests.RequestException):
        requests.get(url, verify=ca, timeout=TIMEOUT_SECONDS)
    client = (str(certificates / "client.pem"), str(certificates / "client.key"))
    assert (
        "pirack_a_b 1.0" in requests.get(url, verify=ca, cert=client, timeout=TIMEOUT_SECONDS).text
    )


def test_client_without_handshake_does_not_block_others(serve: Serve, certificates: Path) -> None:
    rasp = serve(
        "[a]\nb = echo 1\n", tls=Tls(certificates / "server.pem", certificates / "server.key")
    )
    with socket.create_connection(("127.0.0.1", rasp.exporter.port)):
        url = rasp.url.replace("http:", "https:")
        assert requests.get(url, verify=str(certificates / "ca.pem"), timeout=TIMEOUT_SECONDS).ok


def test_start_fails_with_invalid_key(certificates: Path, tmp_path: Path) -> None:
    path = tmp_path / "a.ini"
    path.write_text("[a]\nb = echo 1\n")
    tls = Tls(certificates / "server.pem", certificates / "ca.pem")
    exporter = Exporter(aliases.load(path), "127.0.0.1", 0, tls=tls)
    with pytest.raises(ssl.SSLError):
        exporter.start()
    exporter.close()
