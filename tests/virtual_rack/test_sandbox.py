"""The world of a rack of namespaces: it ends whole, and whoever may have none is told so."""

import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.controller.rack_process import running_rack as a_room_on_loopback
from tests.helpers.waiting import TIMEOUT_SECONDS, wait_until
from tests.virtual_rack.namespace_rack_process import (
    NamespaceRackProcess,
    run_virtual_rack,
    running_namespace_rack,
    start_namespace_rack,
    write_layout,
)


def rack_processes(rack: NamespaceRackProcess) -> list[str]:
    """All processes that have the rack's folder in their words."""
    found = []
    for process in psutil.process_iter():
        try:
            words = process.cmdline()
        except psutil.Error:
            continue
        if any(str(rack.state_folder) in word for word in words):
            found.append(" ".join(words))
    return found


def test_killing_a_rack_removes_all_that_it_made(tmp_path: Path) -> None:
    with running_namespace_rack(tmp_path, "--boot-time", "0", stacks=1, slots=2) as room:
        room.wait_until_all_answer()
        assert len(rack_processes(room)) > 8
        room.outer_process.kill()
        wait_until(lambda: not rack_processes(room))


def test_nothing_is_left_when_a_rack_has_ended_as_asked(tmp_path: Path) -> None:
    with running_namespace_rack(tmp_path, "--boot-time", "0", stacks=1, slots=2) as room:
        room.wait_until_all_answer()
        room.outer_process.send_signal(signal.SIGINT)
        assert room.outer_process.wait(TIMEOUT_SECONDS) == 0
        assert rack_processes(room) == []


def test_a_command_on_the_master_ends_with_its_rack(tmp_path: Path) -> None:
    with (
        running_namespace_rack(tmp_path, "--boot-time", "60", stacks=1, slots=1) as room,
        room.running_on_master("sh", "-c", "echo ready; exec sleep 600") as asleep,
    ):
        assert asleep.stdout is not None
        assert asleep.stdout.readline() == "ready\n"
        room.outer_process.kill()
        assert asleep.wait(TIMEOUT_SECONDS) == 128 + signal.SIGKILL


def test_an_ordinary_user_has_a_rack_as_well(tmp_path: Path) -> None:
    """As whom root has no rights: another user number, and none of root's capabilities."""
    ordinary = ["unshare", "--user", "--map-user=1000", "--map-group=1000", "--"]
    probe = subprocess.run(
        [*ordinary, "true"], capture_output=True, timeout=TIMEOUT_SECONDS, check=False
    )
    if probe.returncode != 0:
        pytest.skip(f"no user namespaces here: {probe.stderr.decode().strip()}")
    room = start_namespace_rack(
        tmp_path, ["--boot-time", "0"], stacks=1, slots=2, launcher=ordinary
    )
    try:
        wait_until(lambda: "load average" in room.ssh("01-2", "uptime").stdout)
        scraped = room.run_on_master(
            [
                sys.executable,
                "-c",
                "import requests; print(requests.get('http://10.23.1.1:9849/metrics').text)",
            ]
        )
        assert "pirack_up 1.0" in scraped.stdout
    finally:
        room.outer_process.terminate()
        room.outer_process.wait(TIMEOUT_SECONDS)
    assert rack_processes(room) == []


def test_who_may_have_no_namespaces_is_told_what_to_do(tmp_path: Path) -> None:
    rack = write_layout(tmp_path / "rack.toml", 1, 1)
    forbidden = 'echo 0 >/proc/sys/user/max_net_namespaces; exec "$@"'
    done = subprocess.run(
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
    assert done.returncode == 2
    assert done.stderr.startswith("network namespaces cannot be had here (unshare: ")
    assert done.stderr.endswith("without them there is the rack on loopback, --network 127.23\n")
    assert done.stderr.count("\n") == 1


def test_a_rack_on_loopback_has_no_master_of_its_own(tmp_path: Path) -> None:
    with a_room_on_loopback(tmp_path) as room:
        done = run_virtual_rack("enter", "--state", str(room.state_folder), "--", "true")
    assert (done.returncode, done.stderr) == (
        2,
        f"the rack in {room.state_folder} is on loopback: its master is this machine\n",
    )


def test_a_rack_on_loopback_refuses_the_faults_of_networks(tmp_path: Path) -> None:
    with a_room_on_loopback(tmp_path) as room:
        done = run_virtual_rack("fault", "--state", str(room.state_folder), "1/1", "foreign-lease")
    assert (done.returncode, done.stderr) == (
        2,
        "foreign-lease: loopback has no DHCP: that takes a rack of --network namespaces\n",
    )


def test_a_rack_on_loopback_does_not_begin_with_them_either(tmp_path: Path) -> None:
    rack = write_layout(tmp_path / "rack.toml", 1, 1)
    words = ["--rack", str(rack), "--state", str(tmp_path / "state"), "--network", "127.210"]
    done = run_virtual_rack("run", *words, "--fault", "1/1:hostile-hostname")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert done.stderr.startswith("hostile-hostname: loopback has no DHCP")


def test_a_link_is_held_in_namespaces_alone() -> None:
    done = run_virtual_rack("run", "--link-time", "2")
    assert done.returncode == 2
    assert done.stderr == "--link-time is for --network namespaces: loopback has no links to hold\n"


def test_a_network_that_there_is_not_is_refused() -> None:
    done = run_virtual_rack("run", "--network", "10.23")
    assert done.returncode == 2
    assert "'10.23' is no network of a virtual rack: write 127.N or namespaces" in done.stderr


def test_nobody_can_be_on_the_master_of_no_rack(tmp_path: Path) -> None:
    done = run_virtual_rack("enter", "--state", str(tmp_path), "--", "true")
    assert done.returncode == 2
    assert done.stderr.startswith(f"no virtual rack runs in {tmp_path}")
