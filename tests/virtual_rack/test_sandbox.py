"""Cleanup of the sandbox of a namespace rack, and errors if a sandbox is not available."""

import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.controller.rack_process import running_rack
from tests.helpers.waiting import TIMEOUT_SECONDS, free_network_prefix, wait_until
from tests.virtual_rack.namespace_rack_process import (
    NamespaceRackProcess,
    run_virtual_rack,
    running_namespace_rack,
    start_namespace_rack,
    write_layout,
)

pytestmark = pytest.mark.process


def rack_processes(rack: NamespaceRackProcess) -> list[str]:
    """Return the command lines that contain the folder of the rack."""
    command_lines = []
    for process in psutil.process_iter():
        try:
            argv = process.cmdline()
        except psutil.Error:
            continue
        if any(str(rack.state_folder) in argument for argument in argv):
            command_lines.append(" ".join(argv))
    return command_lines


def test_killing_the_rack_ends_all_its_processes(tmp_path: Path) -> None:
    with running_namespace_rack(tmp_path, "--boot-time", "0", stacks=1, slots=2) as rack:
        rack.wait_until_all_answer()
        assert len(rack_processes(rack)) > 8
        rack.outer_process.kill()
        wait_until(lambda: not rack_processes(rack))


def test_stopping_the_rack_ends_all_its_processes(tmp_path: Path) -> None:
    with running_namespace_rack(tmp_path, "--boot-time", "0", stacks=1, slots=2) as rack:
        rack.wait_until_all_answer()
        rack.outer_process.send_signal(signal.SIGINT)
        assert rack.outer_process.wait(TIMEOUT_SECONDS) == 0
        assert rack_processes(rack) == []


def test_command_on_the_master_ends_with_the_rack(tmp_path: Path) -> None:
    with (
        running_namespace_rack(tmp_path, "--boot-time", "60", stacks=1, slots=1) as rack,
        rack.running_on_master("sh", "-c", "echo ready; exec sleep 600") as command,
    ):
        assert command.stdout is not None
        assert command.stdout.readline() == "ready\n"
        rack.outer_process.kill()
        assert command.wait(TIMEOUT_SECONDS) == 128 + signal.SIGKILL


def test_unprivileged_user_can_run_a_rack(tmp_path: Path) -> None:
    """Run the rack with another user id and without the capabilities of root."""
    unprivileged = ["unshare", "--user", "--map-user=1000", "--map-group=1000", "--"]
    probe = subprocess.run(
        [*unprivileged, "true"], capture_output=True, timeout=TIMEOUT_SECONDS, check=False
    )
    if probe.returncode != 0:
        pytest.skip(f"user namespaces are not available: {probe.stderr.decode().strip()}")
    rack = start_namespace_rack(
        tmp_path, ["--boot-time", "0"], stacks=1, slots=2, launcher=unprivileged
    )
    try:
        wait_until(lambda: "load average" in rack.ssh("01-2", "uptime").stdout)
        scraped = rack.run_on_master(
            [
                sys.executable,
                "-c",
                "import requests; print(requests.get('http://10.23.1.1:9849/metrics').text)",
            ]
        )
        assert "pirack_up 1.0" in scraped.stdout
        assert rack.log.count("no virtual SD cards (mount: ") == 1
    finally:
        rack.outer_process.terminate()
        rack.outer_process.wait(TIMEOUT_SECONDS)
    assert rack_processes(rack) == []


def test_missing_namespaces_produce_an_error_with_a_hint(tmp_path: Path) -> None:
    rack = write_layout(tmp_path / "rack.toml", 1, 1)
    forbidden = 'echo 0 >/proc/sys/user/max_net_namespaces; exec "$@"'
    result = subprocess.run(
        [
            *("unshare", "--user", "--map-root-user", "--", "sh", "-c", forbidden, "sh"),
            *(sys.executable, "-m", "virtual_rack", "run", "--network", "namespaces"),
            *("--rack", str(rack), "--state", str(tmp_path / "state")),
        ],
        capture_output=True,
        text=True,
        timeout=TIMEOUT_SECONDS,
        check=False,
    )
    assert result.returncode == 2
    assert result.stderr.startswith("network namespaces are not available (unshare: ")
    assert result.stderr.endswith("or use the loopback rack with --network 127.23\n")
    assert result.stderr.count("\n") == 1


def test_enter_rejects_a_loopback_rack(tmp_path: Path) -> None:
    with running_rack(tmp_path) as rack:
        result = run_virtual_rack("enter", "--state", str(rack.state_folder), "--", "true")
    assert (result.returncode, result.stderr) == (
        2,
        f"the rack in {rack.state_folder} is on loopback: its master is this machine\n",
    )


def test_loopback_rack_rejects_dhcp_faults(tmp_path: Path) -> None:
    with running_rack(tmp_path) as rack:
        state = str(rack.state_folder)
        result = run_virtual_rack("fault", "--state", state, "1/1", "foreign-lease")
    assert (result.returncode, result.stderr) == (
        2,
        "foreign-lease: loopback has no DHCP: use --network namespaces\n",
    )


def test_loopback_rack_rejects_initial_dhcp_faults(tmp_path: Path) -> None:
    rack = write_layout(tmp_path / "rack.toml", 1, 1)
    options = ["--rack", str(rack), "--state", str(tmp_path / "state")]
    options += ["--network", free_network_prefix()]
    result = run_virtual_rack("run", *options, "--fault", "1/1:hostile-hostname")
    assert (result.returncode, result.stderr.count("\n")) == (2, 1)
    assert result.stderr.startswith("hostile-hostname: loopback has no DHCP")


def test_option_link_time_requires_namespaces() -> None:
    result = run_virtual_rack("run", "--link-time", "2")
    assert result.returncode == 2
    assert result.stderr == "--link-time requires --network namespaces: loopback has no links\n"


def test_invalid_network_is_rejected() -> None:
    result = run_virtual_rack("run", "--network", "10.23")
    assert result.returncode == 2
    assert "'10.23' is not a valid network: use 127.N or namespaces" in result.stderr


def test_enter_fails_without_a_running_rack(tmp_path: Path) -> None:
    result = run_virtual_rack("enter", "--state", str(tmp_path), "--", "true")
    assert result.returncode == 2
    assert result.stderr.startswith(f"no virtual rack is running in {tmp_path}")
