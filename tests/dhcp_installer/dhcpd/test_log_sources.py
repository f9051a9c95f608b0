"""Log sources with real files, programs and dhcpd."""

import json
import os
import re
import stat
import subprocess
import sys
import time
from itertools import count, pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dhcp_installer.dhcpd.log_sources import (
    LogFile,
    LogSource,
    ProcessLog,
    journald_message,
    journald_source,
)
from dhcp_installer.errors import LogSourceError
from tests.helpers.waiting import TIMEOUT_SECONDS
from tools.programs import find


def read_lines(source: LogSource, count: int) -> list[str]:
    """Read at least this number of lines."""
    lines: list[str] = []
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while len(lines) < count:
        assert time.monotonic() < deadline, lines
        lines += source.read(timeout=0.2)
    return lines


def append(path: Path, text: str) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write(text)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "dhcpd.log"
    path.write_text("yesterday\n")
    return path


def test_log_file_is_read_from_its_end(log: Path) -> None:
    with LogFile(log) as source:
        assert source.read(timeout=0) == []
        append(log, "one\ntw")
        assert read_lines(source, 1) == ["one"]
        append(log, "o\nthree\n")
        assert read_lines(source, 2) == ["two", "three"]


def test_renamed_log_is_read_to_its_end_before_the_new_file(log: Path) -> None:
    with LogFile(log) as source:
        append(log, "one\n")
        log.rename(log.with_suffix(".1"))
        assert read_lines(source, 1) == ["one"]
        assert source.read(timeout=0) == []  # the new file does not exist yet
        append(log.with_suffix(".1"), "two\n")
        log.write_text("three\n")
        assert read_lines(source, 2) == ["two", "three"]
        append(log, "four\n")
        assert read_lines(source, 1) == ["four"]


def test_truncated_log_is_read_from_its_start(log: Path) -> None:
    with LogFile(log) as source:
        append(log, "one\nhalf a li")
        assert read_lines(source, 1) == ["one"]
        os.truncate(log, 0)
        append(log, "two\n")
        assert read_lines(source, 1) == ["two"]


def test_binary_lines_are_decoded_with_replacements(log: Path) -> None:
    with LogFile(log) as source:
        with log.open("ab") as file:
            file.write(b"\xff\x00\xfe\n" + b"x" * 200_000 + b"\nlast\n")
        lines = read_lines(source, 2)
        assert lines[0] == "\ufffd\x00\ufffd"
        assert lines[-1] == "last"


@pytest.mark.parametrize("name", ["nowhere.log", "."])
def test_unreadable_log_is_reported_with_its_path(tmp_path: Path, name: str) -> None:
    with pytest.raises(LogSourceError, match="specify the log file of the DHCP server") as error:
        LogFile(tmp_path / name)
    assert str(tmp_path) in str(error.value)


def write_program(path: Path, script: str) -> str:
    path.write_text(f"#!{sys.executable}\n{script}")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


FAKE_JOURNALCTL = """
import json, sys, time
print("No journal files were found.", file=sys.stderr, flush=True)
print(json.dumps({"MESSAGE": "options " + " ".join(sys.argv[1:])}), flush=True)
print(json.dumps({"MESSAGE": [68, 72, 67, 80, 255], "_PID": "1"}), flush=True)
print(json.dumps({"MESSAGE": None}), flush=True)
print('{"MESSAGE": "half', flush=True, end="")
time.sleep(0.05)
print(' and half"}', flush=True)
END
"""


def install_fake_journalctl(monkeypatch: pytest.MonkeyPatch, folder: Path, end: str) -> None:
    write_program(folder / "journalctl", FAKE_JOURNALCTL.replace("END", end))
    monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)


@pytest.mark.process
def test_new_journal_entries_are_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    install_fake_journalctl(monkeypatch, tmp_path, "time.sleep(60)")
    with journald_source("kea") as source:
        options, *messages = read_lines(source, 3)
        assert re.fullmatch(
            r"options --follow --no-tail --since=@\d+\.\d{6} --output=json --unit=kea", options
        )
        assert messages == ["DHCP\ufffd", "half and half"]
        assert source.read(timeout=0) == []
        pid = source.pid
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


@pytest.mark.process
def test_journal_that_ends_is_reported_with_its_last_output(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    install_fake_journalctl(monkeypatch, tmp_path, "print('Failed to add match: no unit')")
    with journald_source() as source:
        read_lines(source, 3)
        with pytest.raises(LogSourceError, match=r"journalctl ended: Failed to add match: no unit"):
            read_lines(source, 1)


@pytest.mark.process
def test_missing_journalctl_is_reported(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(LogSourceError, match="journalctl: No such file or directory: install it"):
        journald_source()


@pytest.mark.process
def test_journalctl_of_this_machine_accepts_the_options() -> None:
    since = "--since=@1796000000.250000"
    version = subprocess.run(
        ["journalctl", "--follow", "--no-tail", since, "--output=json", "--version"],
        capture_output=True,
        text=True,
        timeout=TIMEOUT_SECONDS,
        check=False,
    )
    assert version.returncode == 0, version.stderr


@pytest.mark.process
def test_program_that_ignores_sigterm_is_killed(tmp_path: Path) -> None:
    ignore_sigterm = "import signal, sys, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
    print_and_sleep = "print('here', file=sys.stderr, flush=True)\ntime.sleep(60)\n"
    with ProcessLog(
        [write_program(tmp_path / "dhcpd", ignore_sigterm + print_and_sleep)]
    ) as source:
        assert read_lines(source, 1) == ["here"]
        pid = source.pid
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"MESSAGE": "DHCPACK"}', "DHCPACK"),
        ('{"MESSAGE": [256]}', None),
        ('{"MESSAGE": ["x"]}', None),
        ('{"MESSAGE": {"a": 1}}', None),
        ('{"_PID": "1"}', None),
        ("[]", None),
        ("-- No entries --", None),
        ("[" * 100_000, None),
    ],
)
def test_journal_message_is_extracted(line: str, message: str | None) -> None:
    assert journald_message(line) == message


@given(st.recursive(st.none() | st.integers() | st.text(), st.lists, max_leaves=5))
def test_any_journal_entry_is_read_without_an_exception(message: object) -> None:
    journald_message(json.dumps({"MESSAGE": message}))


@given(st.text(), st.lists(st.integers(0, 60), max_size=5))
def test_lines_do_not_depend_on_chunk_boundaries(
    tmp_path_factory: pytest.TempPathFactory, text: str, cuts: list[int]
) -> None:
    log = tmp_path_factory.mktemp("log") / "dhcpd.log"
    log.touch()
    data = text.encode("utf-8", "replace") + b"\n"
    bounds = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    lines: list[str] = []
    with LogFile(log) as source:
        for start, end in pairwise(bounds):
            with log.open("ab") as file:
                file.write(data[start:end])
            lines += source.read(timeout=0)
    assert lines == data[:-1].decode().split("\n")


@pytest.mark.process
@pytest.mark.parametrize("conf", ["", "subnet 10.23.0.0 netmask 255.255.0.0 {"])
def test_stderr_of_the_real_dhcpd_is_read(tmp_path: Path, conf: str) -> None:
    dhcpd = find("dhcpd")
    (tmp_path / "dhcpd.conf").write_text(conf)
    (tmp_path / "leases").touch()
    argv = [
        str(dhcpd.path), "-4", "-d", "-f", "--no-pid",
        "-cf", str(tmp_path / "dhcpd.conf"), "-lf", str(tmp_path / "leases"), "lo",
    ]  # fmt: skip
    lines: list[str] = []

    with (
        ProcessLog(argv, env=dhcpd.environment) as source,
        pytest.raises(LogSourceError, match="ended"),
    ):
        lines.extend(line for _ in count() for line in source.read(timeout=1.0))
    assert lines[0].startswith("Internet Systems Consortium DHCP Server 4")
