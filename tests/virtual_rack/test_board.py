"""Sensor readings of a simulated board."""

from pathlib import Path
from random import Random

import pytest

from virtual_rack.board import Board
from virtual_rack.faults import Fault
from virtual_rack.sensors import SensorFiles


@pytest.fixture
def board() -> Board:
    board = Board(Random(1), temperature=45.0)
    board.boot(1_700_000_000)
    return board


def read(board: Board, root: Path, name: str) -> str:
    SensorFiles(root).write(board.readings())
    return (root / name).read_text()


def throttled(board: Board, root: Path) -> int:
    return int(read(board, root, "sys/devices/platform/soc/soc:firmware/get_throttled"), 16)


def test_temperature_is_in_millidegrees(board: Board, tmp_path: Path) -> None:
    assert read(board, tmp_path, "sys/class/thermal/thermal_zone0/temp") == "45000\n"


def test_board_without_faults_is_not_throttled(board: Board, tmp_path: Path) -> None:
    board.advance(60)
    assert throttled(board, tmp_path) == 0


def test_under_voltage_is_reported_until_the_next_boot(board: Board, tmp_path: Path) -> None:
    board.faults.add(Fault.UNDERVOLTAGE)
    board.advance(1)
    assert throttled(board, tmp_path) == 0x30003
    board.faults.clear()
    assert throttled(board, tmp_path) == 0x30000
    board.boot(1_700_000_100)
    assert throttled(board, tmp_path) == 0


def test_hot_board_lowers_its_clock(board: Board, tmp_path: Path) -> None:
    board.temperature = 84.0
    assert throttled(board, tmp_path) == 0xC000C
    clock = read(board, tmp_path, "sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq")
    assert int(clock) <= 1_000_000


def test_counters_increase_and_are_reset_at_a_boot(board: Board, tmp_path: Path) -> None:
    def ticks() -> tuple[int, int]:
        fields = read(board, tmp_path, "proc/stat").split()
        return int(fields[1]), int(fields[4])

    board.advance(10)
    first = ticks()
    board.advance(10)
    assert sum(ticks()) == pytest.approx(2 * sum(first), abs=2)
    assert sum(first) == pytest.approx(4 * 10 * 100, abs=2)
    board.boot(1_700_000_100)
    assert ticks() == (0, 0)
    assert "btime 1700000100" in read(board, tmp_path, "proc/stat")


def test_read_only_root_file_system_appears_in_its_options(board: Board, tmp_path: Path) -> None:
    assert "ext4 /dev/mmcblk0p2 rw\n" in read(board, tmp_path, "proc/self/mountinfo")
    board.faults.add(Fault.READONLY)
    assert "ext4 /dev/mmcblk0p2 rw,emergency_ro\n" in read(board, tmp_path, "proc/self/mountinfo")


def test_same_seed_produces_the_same_workload() -> None:
    def loads(seed: int) -> list[float]:
        board = Board(Random(seed), temperature=45.0)
        watts = []
        for _ in range(200):
            board.advance(5)
            watts.append(board.watts)
        return watts

    assert loads(7) == loads(7)
    assert loads(7) != loads(8)
    assert len(set(loads(7))) > 3


def test_statvfs_returns_the_size_of_the_sd_card(board: Board) -> None:
    disk = board.statvfs("/")
    assert disk.f_blocks * disk.f_frsize == pytest.approx(31.3e9, rel=0.01)
    assert 0 < disk.f_bavail < disk.f_bfree < disk.f_blocks
