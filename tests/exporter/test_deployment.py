"""Tests of the files for a rasp: zip archive, wheel, systemd unit and authorized_keys."""

import os
import re
import shlex
import shutil
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest
import requests

from deploy import make_pyz
from tests.exporter.scraping import parse_metrics
from tests.helpers.waiting import TIMEOUT_SECONDS, free_port

pytestmark = pytest.mark.process

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
INSTALLED = "/usr/local/bin/pirack-exporter"


@pytest.fixture(scope="module")
def pyz(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("dist") / "pirack-exporter.pyz"
    make_pyz.make(path)
    return path


def scrape(command: list[str | Path], root: Path) -> dict[str, float]:
    """Start an exporter with an empty environment, scrape it once, and stop it."""
    port = free_port()
    listen = ["--root", str(root), "--listen", f"127.0.0.1:{port}"]
    with subprocess.Popen(
        [*command, *listen], env={"PATH": os.defpath}, stderr=subprocess.PIPE, text=True, cwd="/"
    ) as process:
        try:
            assert process.stderr is not None
            line = process.stderr.readline()
            assert line.startswith("metrics at"), line + process.stderr.read()
            return parse_metrics(
                requests.get(f"http://127.0.0.1:{port}/metrics", timeout=TIMEOUT_SECONDS).text
            )
        finally:
            process.terminate()


@pytest.mark.parametrize("python", [sys.executable, "/usr/bin/python3"])
def test_archive_runs_with_python_without_packages(python: str, pyz: Path, pi4: Path) -> None:
    if not Path(python).exists():
        pytest.skip(f"{python} is not installed")
    metrics = scrape([python, "-I", pyz], pi4)
    assert metrics["pirack_up"] == 1
    assert metrics["pirack_cpu_temperature_celsius"] == 48.312


def test_archive_is_executable(pyz: Path) -> None:
    ended = subprocess.run(
        [pyz, "--help"], capture_output=True, text=True, check=True, timeout=TIMEOUT_SECONDS
    )
    assert "usage: pirack-exporter" in ended.stdout


def test_archive_build_is_reproducible(pyz: Path, tmp_path: Path) -> None:
    make_pyz.make(tmp_path / "again.pyz")
    assert (tmp_path / "again.pyz").read_bytes() == pyz.read_bytes()


def test_archive_runs_without_bytecode(pyz: Path, pi4: Path, tmp_path: Path) -> None:
    """The bytecode is unusable with another version of Python."""
    bare = tmp_path / "bare.pyz"
    with zipfile.ZipFile(pyz) as full, zipfile.ZipFile(bare, "w") as archive:
        for entry in full.infolist():
            if not entry.filename.endswith(".pyc"):
                archive.writestr(entry, full.read(entry))
    assert scrape([sys.executable, "-I", bare], pi4)["pirack_up"] == 1


def test_wheel_installs_working_exporter_with_prometheus_client_only(
    tmp_path: Path, pi4: Path
) -> None:
    uv = shutil.which("uv", path=str(Path(sys.executable).parent))
    assert uv is not None
    subprocess.run(
        [uv, "build", "--wheel", "--no-build-isolation", "--python", sys.executable,
         "--out-dir", str(tmp_path), str(ROOT)],
        check=True, capture_output=True, timeout=TIMEOUT_SECONDS,
    )  # fmt: skip
    [wheel] = tmp_path.glob("*.whl")
    venv.create(tmp_path / "venv", with_pip=False, symlinks=True)
    python = tmp_path / "venv/bin/python"
    installed = subprocess.run(
        [uv, "pip", "install", "--system-certs", "--python", str(python), str(wheel)],
        capture_output=True, text=True, timeout=TIMEOUT_SECONDS, check=False,
    )  # fmt: skip
    if installed.returncode != 0:
        pytest.skip(f"no package index: {installed.stderr.strip().splitlines()[-1]}")
    listed = subprocess.run(
        [uv, "pip", "freeze", "--python", str(python)], capture_output=True, text=True, check=True
    ).stdout
    assert sorted(re.findall(r"^[\w-]+", listed, re.MULTILINE)) == ["pirack", "prometheus-client"]
    assert scrape([python, "-I", "-m", "exporter"], pi4)["pirack_up"] == 1


@pytest.fixture
def unit(pyz: Path, tmp_path: Path) -> Path:
    """The unit with an existing program."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed: install systemd")
    if not Path("/bin/kill").exists():
        pytest.skip("/bin/kill is not installed: install procps")
    path = tmp_path / "pirack-exporter.service"
    text = (DEPLOY / path.name).read_text()
    assert INSTALLED in text
    path.write_text(text.replace(INSTALLED, str(pyz)))
    return path


def test_systemd_accepts_the_unit(unit: Path) -> None:
    ended = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(unit)],
        capture_output=True, text=True, timeout=TIMEOUT_SECONDS, check=False,
    )  # fmt: skip
    messages = [line for line in ended.stderr.splitlines() if "pirack" in line]
    assert (ended.returncode, messages) == (0, [])


def test_systemd_rates_the_unit_as_secure(unit: Path) -> None:
    ended = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--threshold=20", str(unit)],
        capture_output=True, text=True, timeout=TIMEOUT_SECONDS, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stdout


def test_authorized_keys_line_allows_actions_only(pyz: Path, tmp_path: Path) -> None:
    lines = (DEPLOY / "authorized_keys").read_text().splitlines()
    [line] = [line for line in lines if not line.startswith("#")]
    command = re.fullmatch(r'restrict,command="([^"]+)" KEY', line)
    assert command is not None
    aliases = tmp_path / "aliases.ini"
    aliases.write_text("[actions]\ngreet = echo hello\n")
    program, *options = shlex.split(command[1])
    assert program == INSTALLED
    options = [option.replace("/etc/pirack/aliases.ini", str(aliases)) for option in options]
    for requested, status, output in (("greet", 0, "hello\n"), ("greet; id", 126, "")):
        ended = subprocess.run(
            ["/bin/sh", "-c", shlex.join([str(pyz), *options])],
            env={"PATH": os.environ["PATH"], "SSH_ORIGINAL_COMMAND": requested},
            capture_output=True, text=True, timeout=TIMEOUT_SECONDS, check=False,
        )  # fmt: skip
        assert (ended.returncode, ended.stdout) == (status, output)


def test_service_and_ssh_use_the_same_aliases_file() -> None:
    for name in ("pirack-exporter.service", "authorized_keys"):
        assert "/etc/pirack/aliases.ini" in (DEPLOY / name).read_text()
