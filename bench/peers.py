"""The exporter and comparable programs, each with a function that scrapes it."""

import http.client
import os
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from deploy import make_pyz
from exporter import aliases, native
from exporter.aliases import Alias
from tools import programs

Scrape = Callable[[], bytes]

# Headers of a scrape by Prometheus.
_HEADERS = {
    "Accept": "application/openmetrics-text;version=1.0.0;q=0.5,"
    "application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
    "Accept-Encoding": "gzip",
    "User-Agent": "Prometheus/2.42.0",
    "X-Prometheus-Scrape-Timeout-Seconds": "10",
}
_START_SECONDS = 20.0
_OK = 200

# Shell commands that are equivalent to the native commands of the exporter.
_SHELL_COMMANDS = {
    "btime": 'while read -r key seconds _; do case $key in btime) echo "$seconds"; break;; esac; '
    'done < "$ROOT/proc/stat"',
    "root_readonly": "readonly=0; while read -r _ _ _ _ mount _ rest; do case $mount in /) "
    'case ",${rest##* }," in *,ro,*|*,emergency_ro,*|*,shutdown,*) readonly=1;; *) readonly=0;; '
    'esac;; esac; done < "$ROOT/proc/self/mountinfo"; echo $readonly',
    "statvfs / available": 'set -- $(stat -f -c "%a %S" /) && echo "$(($1 * $2))"',
    "statvfs / size": 'set -- $(stat -f -c "%b %S" /) && echo "$(($1 * $2))"',
}


@dataclass(frozen=True)
class Peer:
    """A program to measure. `scrape` reads all values of the program once."""

    name: str
    pid: int
    scrape: Scrape


def packaged_aliases() -> Sequence[Alias]:
    """Return the aliases that all peers read."""
    return aliases.load(aliases.DEFAULT_PATH).metrics


def shell_command(alias: Alias) -> str:
    """Return the command of an alias as a shell command."""
    return _SHELL_COMMANDS[alias.command] if native.parse(alias.command) else alias.command


@contextmanager
def pirack(root: Path, folder: Path, *options: str) -> Iterator[Peer]:
    """Run the exporter from the zip archive with the packaged aliases, as on a rasp."""
    archive = folder / "pirack-exporter.pyz"
    make_pyz.make(archive)
    port = free_port_for_zabbix()
    command = [sys.executable, "-I", str(archive), "--root", str(root), *options]
    with _running_process([*command, "--listen", f"127.0.0.1:{port}"], os.environ) as pid:
        yield _http_peer("PiRack exporter", pid, port)


@contextmanager
def node_exporter(root: Path, folder: Path) -> Iterator[Peer]:  # noqa: ARG001
    """Run node_exporter with default settings. It reads the files of this machine."""
    program = programs.find("node_exporter")
    port = free_port_for_zabbix()
    command = [str(program.path), f"--web.listen-address=127.0.0.1:{port}"]
    with _running_process(command, program.environment) as pid:
        yield _http_peer("node_exporter, defaults", pid, port)


@contextmanager
def zabbix_agentd(root: Path, folder: Path) -> Iterator[Peer]:
    """Run zabbix_agentd with the same aliases as UserParameters."""
    program = programs.find("zabbix_agentd")
    port = free_port_for_zabbix()
    lines = [
        "Server=127.0.0.1",
        f"ListenIP=127.0.0.1\nListenPort={port}",
        f"LogType=file\nLogFile={folder}/zabbix.log\nPidFile={folder}/zabbix.pid",
        "AllowRoot=1\nHostname=rasp",
    ]
    for alias in packaged_aliases():
        script = folder / f"{alias.label}.sh"
        script.write_text(shell_command(alias) + "\n")
        lines.append(f"UserParameter={alias.label},. {script}")
    configuration = folder / "zabbix.conf"
    configuration.write_text("\n".join(lines) + "\n")
    environment = {**program.environment, "ROOT": str(root)}
    labels = [alias.label for alias in packaged_aliases()]
    with _running_process([str(program.path), "-f", "-c", str(configuration)], environment) as pid:
        scrape = lambda: b"".join(_query_zabbix(port, label) for label in labels)  # noqa: E731
        _wait_until_ready(scrape)
        yield Peer("zabbix_agentd, UserParameters", pid, scrape)


@contextmanager
def process_per_alias(root: Path, folder: Path) -> Iterator[Peer]:  # noqa: ARG001
    """Run a simple exporter, which uses prometheus_client and runs each alias with `subprocess`."""
    yield from _python_peer("prometheus_client + subprocess", "subprocess_exporter", root)


@contextmanager
def reading_in_process(root: Path, folder: Path) -> Iterator[Peer]:  # noqa: ARG001
    """Run the Python baseline, which uses prometheus_client and reads the files itself."""
    yield from _python_peer("prometheus_client + open()", "reading_exporter", root)


def _python_peer(name: str, module: str, root: Path) -> Iterator[Peer]:
    port = free_port_for_zabbix()
    with _running_process(
        [sys.executable, "-m", f"bench.{module}", str(root), str(port)], os.environ
    ) as pid:
        yield _http_peer(name, pid, port)


def free_port_for_zabbix() -> int:
    """Return a free port of 127.0.0.1. zabbix_agentd accepts ports up to 32767."""
    for port in range(20000, 32768):
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
    raise OSError("no free port from 20000 to 32767")


@contextmanager
def _running_process(command: Sequence[str], environment: Mapping[str, str]) -> Iterator[int]:
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        try:
            yield process.pid
        finally:
            process.terminate()


def _http_peer(name: str, pid: int, port: int) -> Peer:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)

    def scrape() -> bytes:
        try:
            connection.request("GET", "/metrics", headers=_HEADERS)
            response = connection.getresponse()
            body = response.read()
        except OSError:
            connection.close()
            raise
        if response.status != _OK:
            raise OSError(f"{name}: {response.status} {response.reason}")
        return body

    _wait_until_ready(scrape)
    return Peer(name, pid, scrape)


def _query_zabbix(port: int, key: str) -> bytes:
    # https://www.zabbix.com/documentation/6.0/en/manual/appendix/protocols/header_datalen
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        connection.sendall(b"ZBXD\x01" + struct.pack("<Q", len(key)) + key.encode())
        response = b""
        while chunk := connection.recv(65536):
            response += chunk
    if b"ZBX_NOTSUPPORTED" in response:
        raise OSError(f"zabbix_agentd: {key}: {response[13:]!r}")
    return response


def _wait_until_ready(scrape: Scrape) -> None:
    end = time.monotonic() + _START_SECONDS
    while True:
        try:
            scrape()
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.05)
        else:
            return
