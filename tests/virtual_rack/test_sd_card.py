"""SD cards of a namespace rack: what power cuts and reboots lose and keep."""

import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.helpers.existing_files import loop_device_files
from tests.helpers.waiting import TIMEOUT_SECONDS, wait_until
from tests.virtual_rack.namespace_rack_process import (
    ROOT,
    NamespaceRackProcess,
    run_virtual_rack,
    running_namespace_rack,
)

pytestmark = pytest.mark.process

CARD_ACTIONS = """
[actions]
write = echo data >>/var/lib/unsynced
write_and_sync = echo data >>/var/lib/synced && /bin/sync /var/lib/synced /var/lib
# After five seconds, ext4 writes the names of files, but not their data yet.
files_with_data = grep -d skip -l data /var/lib/* || :
reboot = systemctl reboot
# Check that the card is writable, and write to it until the power is cut.
write_forever =
    echo data >/var/lib/new && /bin/sync /var/lib/new /var/lib && rm /var/lib/new || exit 1
    while :; do echo data >>/var/lib/log; mkdir -p /var/lib/folder; rmdir /var/lib/folder; done \\
        >/dev/null 2>&1 &
"""


def write_aliases(folder: Path) -> Path:
    """Write an aliases file whose actions use the card."""
    path = folder / "aliases.ini"
    path.write_text(CARD_ACTIONS)
    return path


def power_cycle(rack: NamespaceRackProcess) -> None:
    rack.switch_stack(1, "off")
    rack.switch_stack(1, "on")
    rack.wait_until_all_answer()


def count_leases(rack: NamespaceRackProcess, name: str) -> int:
    """Return how many leases a rasp has received, one at each boot."""
    return rack.dhcpd_log.count(f"DHCPACK on {rack.address(name)} ")


def files_on_card(rack: NamespaceRackProcess, name: str) -> set[str]:
    """Return the names of the files that contain data."""
    result = rack.ssh(name, "files_with_data")
    assert result.returncode == 0, result.stderr
    return {Path(file).name for file in result.stdout.split()}


def loop_devices(folder: Path) -> list[str]:
    """Return the files in a folder that have a loop device of this machine."""
    return [file for file in loop_device_files() if file.startswith(str(folder))]


@pytest.fixture(scope="module")
def whole_rack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NamespaceRackProcess]:
    folder = tmp_path_factory.mktemp("cards")
    options = ("--boot-time", "0", "--aliases", str(write_aliases(folder)))
    with running_namespace_rack(folder, *options, stacks=1, slots=2) as rack:
        rack.wait_until_all_answer()
        yield rack
    assert loop_devices(folder) == []


@pytest.fixture
def rack(whole_rack: NamespaceRackProcess) -> NamespaceRackProcess:
    whole_rack.wait_until_all_answer()
    return whole_rack


def test_power_cut_loses_unsynced_data_and_keeps_synced_data(rack: NamespaceRackProcess) -> None:
    assert rack.ssh("01-1", "write").returncode == 0
    assert rack.ssh("01-2", "write_and_sync").returncode == 0
    assert files_on_card(rack, "01-1") == {"unsynced"}
    power_cycle(rack)
    assert files_on_card(rack, "01-1") == set()
    assert files_on_card(rack, "01-2") == {"synced"}
    assert rack.ssh("01-1", "write").returncode == 0


def test_reboot_keeps_unsynced_data(rack: NamespaceRackProcess) -> None:
    assert rack.ssh("01-1", "write").returncode == 0
    leases = count_leases(rack, "01-1")
    assert rack.ssh("01-1", "reboot").returncode == 0
    wait_until(lambda: count_leases(rack, "01-1") > leases)
    rack.wait_until_answers("01-1")
    assert "unsynced" in files_on_card(rack, "01-1")


@pytest.mark.parametrize("fault", ["dead", "reboot-once"])
def test_crash_loses_unsynced_data(rack: NamespaceRackProcess, fault: str) -> None:
    rack.ssh("01-2", "write")
    assert "unsynced" in files_on_card(rack, "01-2")
    leases = count_leases(rack, "01-2")
    rack.inject_fault("1/2", fault)
    rack.clear_faults("1/2")
    wait_until(lambda: count_leases(rack, "01-2") > leases)
    rack.wait_until_answers("01-2")
    assert "unsynced" not in files_on_card(rack, "01-2")


def test_power_cut_with_a_kept_page_cache_keeps_unsynced_data(tmp_path: Path) -> None:
    options = ("--keep-page-cache", "--boot-time", "0", "--aliases", str(write_aliases(tmp_path)))
    with running_namespace_rack(tmp_path, *options, stacks=1, slots=1) as rack:
        rack.wait_until_all_answer()
        assert rack.ssh("01-1", "write").returncode == 0
        power_cycle(rack)
        assert files_on_card(rack, "01-1") == {"unsynced"}


def test_killed_rack_leaves_no_loop_device(tmp_path: Path) -> None:
    with running_namespace_rack(tmp_path, "--boot-time", "0", stacks=1, slots=1) as rack:
        rack.wait_until_all_answer()
        assert len(loop_devices(tmp_path)) == 1
        rack.outer_process.kill()
        wait_until(lambda: not loop_devices(tmp_path))


USE_OF_TWO_CARDS = """
import subprocess, sys
from pathlib import Path
from tools.programs import find
from virtual_rack.sd_card import MOUNT_POINT, SdCard

root = Path(sys.argv[1])
mount_point = root / MOUNT_POINT
mount_point.mkdir(parents=True)
mkfs = find("mkfs.ext4")
card, other = SdCard(root / "card.img", mkfs), SdCard(root / "other.img", mkfs)
subprocess.run(["mount", "-o", "loop", card.image, mount_point], check=True, timeout=60)
other.cut_power(root)
(mount_point / "file").write_text("other cards do not matter")
card.cut_power(root)
try:
    (mount_point / "file").write_text("no power")
except OSError as error:
    print(error.strerror)
"""


def test_power_cut_affects_the_file_system_of_its_card_only(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can mount cards")
    result = subprocess.run(
        ["unshare", "--mount", "--", sys.executable, "-c", USE_OF_TWO_CARDS, str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_SECONDS,
        check=False,
    )
    assert (result.stdout, result.stderr) == ("Input/output error\n", "")
    wait_until(lambda: not loop_devices(tmp_path))


@pytest.mark.verify
def test_card_is_writable_after_each_of_100_power_cuts(tmp_path: Path) -> None:
    options = ("--boot-time", "0", "--aliases", str(write_aliases(tmp_path)))
    with running_namespace_rack(tmp_path, *options, stacks=1, slots=4) as rack:
        results = []
        for _ in range(26):  # the last time after the last cut
            rack.wait_until_all_answer()
            with ThreadPoolExecutor() as pool:
                writes = pool.map(
                    lambda slot: rack.ssh(slot.name, "write_forever"), rack.layout.slots
                )
                results += [write.returncode for write in writes]
            power_cycle(rack)
    assert results == [0] * 104


def test_option_keep_page_cache_requires_namespaces() -> None:
    result = run_virtual_rack("run", "--keep-page-cache")
    assert (result.returncode, result.stderr) == (
        2,
        "--keep-page-cache requires --network namespaces: loopback has no SD cards\n",
    )
