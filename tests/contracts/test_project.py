"""Tests of the wheel, its dependencies and the lock files."""

import os
import re
import subprocess
import sys
import tomllib
from email import message_from_bytes
from email.message import Message
from pathlib import Path, PurePosixPath
from zipfile import ZipFile

import prometheus_client
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from tests.helpers.waiting import TIMEOUT_SECONDS

pytestmark = pytest.mark.process

ROOT = Path(__file__).parent.parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PACKAGES = [
    "exporter",
    "rack",
    "dhcp_installer",
    "controller",
    "cli",
    "grafana",
]
DATA_FOLDERS = {"templates", "static"}
DATA_FILES = {"aliases.ini"}
RUNBOOKS = "controller/runbooks"
"""Folder of docs/runbooks in the wheel."""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=TIMEOUT_SECONDS)
    [built] = folder.glob("*.whl")
    return built


def files_of(wheel: Path) -> list[PurePosixPath]:
    with ZipFile(wheel) as archive:
        return [PurePosixPath(name) for name in archive.namelist()]


def metadata_of(wheel: Path) -> Message:
    with ZipFile(wheel) as archive:
        [name] = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        return message_from_bytes(archive.read(name))


def is_data(file: PurePosixPath) -> bool:
    is_runbook = file.is_relative_to(RUNBOOKS) and file.suffix == ".md"
    return file.name in DATA_FILES or file.parts[1] in DATA_FOLDERS or is_runbook


def test_prometheus_client_is_the_only_base_dependency(wheel: Path) -> None:
    requirements = [Requirement(text) for text in metadata_of(wheel).get_all("Requires-Dist", [])]
    base = [item.name for item in requirements if "extra" not in str(item.marker)]
    assert base == ["prometheus-client"]


def test_wheel_contains_the_packages_only(wheel: Path) -> None:
    folders = {file.parts[0] for file in files_of(wheel)}
    assert {name for name in folders if not name.endswith(".dist-info")} == set(PACKAGES)


def test_wheel_contains_python_and_data_files_only(wheel: Path) -> None:
    shipped = [file for file in files_of(wheel) if file.parts[0] in PACKAGES]
    assert [str(file) for file in shipped if file.suffix != ".py" and not is_data(file)] == []


def test_wheel_contains_all_data_files(wheel: Path) -> None:
    data_files = {
        PurePosixPath(file.relative_to(ROOT).as_posix())
        for package in PACKAGES
        for file in (ROOT / package).rglob("*")
        if file.is_file() and is_data(PurePosixPath(file.relative_to(ROOT).as_posix()))
    }
    runbooks = {PurePosixPath(RUNBOOKS, file.name) for file in (ROOT / "docs/runbooks").iterdir()}
    assert data_files | runbooks <= set(files_of(wheel))


def test_exporter_runs_with_prometheus_client_only(wheel: Path, tmp_path: Path) -> None:
    """As on a rasp, run the exporter with prometheus_client and without site-packages (`-S`)."""
    (tmp_path / "prometheus_client").symlink_to(Path(prometheus_client.__file__).parent)
    done = subprocess.run(
        [sys.executable, "-S", "-m", "exporter", "--help"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(wheel), str(tmp_path)])},
        capture_output=True,
        text=True,
        timeout=TIMEOUT_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "--aliases" in done.stdout


def test_pirack_command_loads_no_dependency_of_the_master() -> None:
    """`pip install pirack[cli]` is sufficient."""
    done = subprocess.run(
        [sys.executable, "-c", "import cli.__main__, sys; print(*sys.modules)"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_SECONDS,
        check=True,
    )
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    assert {"cli", "rack", "click", "requests", "rich"} <= loaded
    assert not loaded & {"controller", "flask", "pydantic", "gpiozero", "prometheus_client"}


def locked_versions(level: str) -> dict[str, Version]:
    """Return the versions in `requirements/<level>.lock`, keyed by canonical name."""
    text = (ROOT / "requirements" / f"{level}.lock").read_text(encoding="utf-8")
    pins = re.findall(r"^([A-Za-z0-9._-]+)==([^\s;]+)", text, flags=re.MULTILINE)
    return {canonicalize_name(name): Version(version) for name, version in pins}


def requirements_of(level: str) -> list[Requirement]:
    """Return the requirements in pyproject.toml, including its build and its extras."""
    project = PROJECT["project"]
    extras = ["cli", "master"] if level == "master" else ["cli", "master", "dev"]
    texts = [
        *PROJECT["build-system"]["requires"],
        *project["dependencies"],
        *(text for extra in extras for text in project["optional-dependencies"][extra]),
    ]
    return [
        requirement
        for requirement in map(Requirement, texts)
        if requirement.name != project["name"]
    ]


@pytest.mark.parametrize("level", ["master", "dev"])
def test_lock_file_satisfies_all_requirements(level: str) -> None:
    locked = locked_versions(level)
    unsatisfied = []
    for requirement in requirements_of(level):
        version = locked.get(canonicalize_name(requirement.name))
        if version is None or not requirement.specifier.contains(version):
            unsatisfied.append(f"{level}.lock has {version} for {requirement}: run `make lock`")
    assert unsatisfied == []


def test_lock_files_pin_the_same_versions() -> None:
    master, dev = locked_versions("master"), locked_versions("dev")
    assert {name: dev.get(name) for name in master} == master
