"""The demo on a rack of network namespaces."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from exporter.aliases import DEFAULT_PATH
from rack.layout_file import load
from tests.helpers.existing_files import loop_device_files
from tests.helpers.layouts import layout_text
from tests.helpers.waiting import TIMEOUT_SECONDS, wait_until
from tests.virtual_rack.demo.demo_process import (
    REPOSITORY,
    DemoProcess,
    environment,
    run_module,
    running_demo,
)
from virtual_rack.demo.ports import interface_in_network

pytestmark = pytest.mark.process

BOOT_ACTIONS = """
install_script =
    printf '#!/bin/sh\\n: >/run/started\\n' >/var/lib/rc.local &&
    chmod 755 /var/lib/rc.local && sync
is_started = test -e /run/started
"""
OPTIONS = ("--network", "namespaces", "--boot-time", "0.5")


def uplink(demo: DemoProcess) -> str | None:
    """Return the interface of this machine in the network of the demo."""
    subnet = load(demo.state_folder / "rack.toml").network.subnet
    return interface_in_network(str(subnet.network_address).removesuffix(".0.0"))


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DemoProcess]:
    if os.geteuid() != 0:
        pytest.skip("only root can connect the machine to the network of the rack")
    folder = tmp_path_factory.mktemp("demo")
    rack = folder / "given.toml"
    rack.write_text(layout_text(2))
    aliases = folder / "aliases.ini"
    aliases.write_text(DEFAULT_PATH.read_text(encoding="utf-8") + BOOT_ACTIONS)
    with running_demo(folder, "--rack", str(rack), "--aliases", str(aliases), *OPTIONS) as running:
        assert uplink(running) is not None
        yield running
    wait_until(lambda: uplink(running) is None)


def run_action(demo: DemoProcess, name: str, targets: str) -> subprocess.CompletedProcess[str]:
    """Run an action with `pirack`."""
    url = f"http://127.0.0.1:{demo.port_base}"
    return subprocess.run(
        [sys.executable, "-m", "cli", "--url", url, "run", name, targets, "--yes"],
        cwd=demo.folder,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=TIMEOUT_SECONDS,
        check=False,
    )


def test_rasps_are_up_and_run_actions_on_their_own_cards(demo: DemoProcess) -> None:
    wait_until(lambda: demo.count('up{job="rasp"} == 1') == 4)
    wait_until(lambda: demo.count("probe_success == 1") == 4)  # pings start later than scrapes
    assert "4 ok" in run_action(demo, "sync", "all").stdout


def test_rasp_runs_the_script_rc_local_of_its_card_at_each_boot(demo: DemoProcess) -> None:
    assert "1 ok" in run_action(demo, "install_script", "1/1").stdout
    assert run_action(demo, "is_started", "1/1").returncode != 0
    assert demo.run_virtual_rack("fault", "1/1", "reboot-once").returncode == 0
    wait_until(lambda: run_action(demo, "is_started", "1/1").returncode == 0)


def traces(demo: DemoProcess) -> list[str]:
    """Return what a demo has on this machine: interface, mounts, loop devices and processes."""
    state = str(demo.state_folder)
    mounts = Path("/proc/self/mounts").read_text().splitlines()
    processes = [" ".join(argv) for argv in command_lines()]
    return [
        *([interface] if (interface := uplink(demo)) else []),
        *(line for line in [*loop_device_files(), *mounts, *processes] if state in line),
    ]


def command_lines() -> Iterator[list[str]]:
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            yield process.cmdline()


@pytest.mark.verify
def test_killed_demo_leaves_the_machine_as_it_was(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can connect the machine to the network of the rack")
    (tmp_path / "given.toml").write_text(layout_text(2))
    with running_demo(tmp_path, "--rack", str(tmp_path / "given.toml"), *OPTIONS) as demo:
        assert len(traces(demo)) > 10
        demo.process.kill()
        wait_until(lambda: not traces(demo))


def test_demo_with_namespaces_requires_root() -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can become another user")
    done = subprocess.run(
        ["setpriv", "--reuid", "65534", sys.executable, "-m", "virtual_rack.demo", *OPTIONS],
        cwd=REPOSITORY,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=TIMEOUT_SECONDS,
        check=False,
    )
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert done.stderr.startswith("--network namespaces requires root")


def test_page_cache_can_only_be_kept_with_namespaces(tmp_path: Path) -> None:
    (tmp_path / "rack.toml").write_text(layout_text(1))
    done = run_module("virtual_rack.demo", "--keep-page-cache", folder=tmp_path)
    assert (done.returncode, done.stderr) == (
        2,
        "--keep-page-cache requires --network namespaces\n",
    )


@pytest.mark.verify
def test_install_finds_every_rasp_with_the_real_dhcp_server(demo: DemoProcess) -> None:
    response = demo.post("installation", {"strategy": "cut"})
    assert response.status_code == 202, response.text
    wait_until(lambda: demo.get("installation")["state"] != "running")
    install = demo.get("installation")
    assert (install["state"], install["error"]) == ("done", ""), install["steps"]
    assert (install["stacks_done"], install["rasps_found"]) == (2, 4)
    wait_until(lambda: demo.get("rack")["states"]["up"] == 4)
