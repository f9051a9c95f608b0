"""Restarts of services whose files have changed, with a real systemd."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from deploy.services import state_of
from tests.helpers.systemd_machine import SystemdMachine, running_systemd

ROOT = Path(__file__).parents[2]
UNITS = ("first", "second")
PYTHON = "/usr/bin/python3"
START = """
from pathlib import Path
from deploy.services import start_services
files = {unit: [Path("/srv", unit)] for unit in ("first", "second")}
start_services(files, started=Path("/started"))
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a file and a link to a file of a release."""
    folder, target = tmp_path / "settings", tmp_path / "target"
    folder.mkdir()
    target.write_text("target\n")
    (folder / "file").write_text("first\n")
    (folder / "link").symlink_to(target)
    return folder


def replace_link(link: Path, target: Path) -> None:
    link.unlink()
    link.symlink_to(target)


@pytest.mark.parametrize(
    "change",
    [
        lambda folder: (folder / "file").write_text("other\n"),
        lambda folder: (folder / "link").resolve().write_text("other\n"),
        lambda folder: replace_link(folder / "link", folder / "file"),
        lambda folder: (folder / "new").touch(),
        lambda folder: (folder / "file").unlink(),
        lambda folder: os.utime(folder / "file", (0, 0)),
    ],
    ids=["edited", "target edited", "other target", "added", "removed", "edited and restored"],
)
def test_each_change_of_a_file_changes_the_state(
    folder: Path, change: Callable[[Path], object]
) -> None:
    previous = state_of([folder, folder / "missing"])
    change(folder)
    assert state_of([folder, folder / "missing"]) != previous


def test_target_of_a_link_with_the_same_content_is_no_change(folder: Path) -> None:
    previous = state_of([folder])
    os.utime((folder / "link").resolve(), (0, 0))
    assert state_of([folder]) == previous


def test_link_to_another_release_changes_the_state(tmp_path: Path) -> None:
    current = tmp_path / "current"
    for release in ("1", "2"):
        (tmp_path / release).mkdir()
    current.symlink_to("1")
    previous = state_of([current])
    replace_link(current, Path("2"))
    assert state_of([current]) != previous


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SystemdMachine]:
    """Run two services, each with a folder of files."""
    if not Path(PYTHON).exists():
        pytest.skip("no system python3")
    with running_systemd(tmp_path_factory.mktemp("machine")) as machine:
        for unit in UNITS:
            machine.write(
                f"/etc/systemd/system/{unit}.service", "[Service]\nExecStart=/bin/sleep infinity\n"
            )
            machine.write(f"/srv/{unit}/file", "first")
        machine.output_of("systemctl", "daemon-reload")
        yield machine


def start(machine: SystemdMachine) -> list[int]:
    """Start the services. Return their processes."""
    machine.output_of(PYTHON, "-c", START, folder=str(ROOT))
    return [machine.main_pid(unit) for unit in UNITS]


@pytest.mark.process
def test_only_the_service_whose_files_have_changed_is_restarted(machine: SystemdMachine) -> None:
    first, second = start(machine)
    assert start(machine) == [first, second]
    machine.write("/srv/second/file", "second")
    restarted = start(machine)
    assert restarted[0] == first
    assert restarted[1] not in {second, 0}


@pytest.mark.process
def test_stopped_service_is_started_although_its_files_have_not_changed(
    machine: SystemdMachine,
) -> None:
    first, _ = start(machine)
    machine.output_of("systemctl", "stop", "second")
    started = start(machine)
    assert started[0] == first
    assert started[1] != 0


@pytest.mark.process
def test_service_that_did_not_start_is_restarted_by_the_next_call(machine: SystemdMachine) -> None:
    start(machine)
    broken = "/etc/systemd/system/first.service.d/broken.conf"
    machine.write("/srv/first/file", "second")
    machine.write(broken, "[Service]\nExecStartPre=/bin/false\n")
    machine.output_of("systemctl", "daemon-reload")
    assert "systemctl restart first" in machine.run(PYTHON, "-c", START, folder=str(ROOT)).stderr
    machine.output_of("sh", "-c", f"rm {broken} && systemctl daemon-reload")
    machine.output_of("systemctl", "start", "first")
    started_by_hand = machine.main_pid("first")
    assert start(machine)[0] != started_by_hand
