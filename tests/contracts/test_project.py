"""What is shipped and what is installed: the wheel, its dependencies and the lock files."""

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

ROOT = Path(__file__).parent.parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PACKAGES = [
    "exporter",
    "rack",
    "dhcp_installer",
    "controller",
    "cli",
    "grafana",
    "virtual_rack",
]
DATA_FOLDERS = {"templates", "static", "rasp_init"}
DATA_FILES = {"aliases.ini", "master_systemctl.sh"}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=60)
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
    return file.name in DATA_FILES or file.parts[1] in DATA_FOLDERS


def test_a_rasp_needs_prometheus_client_alone(wheel: Path) -> None:
    needed = [Requirement(text) for text in metadata_of(wheel).get_all("Requires-Dist", [])]
    assert [each.name for each in needed if "extra" not in str(each.marker)] == [
        "prometheus-client"
    ]


def test_the_wheel_holds_the_packages_and_nothing_beside_them(wheel: Path) -> None:
    folders = {file.parts[0] for file in files_of(wheel)}
    assert {name for name in folders if not name.endswith(".dist-info")} == set(PACKAGES)


def test_the_wheel_holds_python_and_the_data_that_it_reads(wheel: Path) -> None:
    shipped = [file for file in files_of(wheel) if file.parts[0] in PACKAGES]
    assert [str(file) for file in shipped if file.suffix != ".py" and not is_data(file)] == []


def test_no_template_or_other_data_is_forgotten(wheel: Path) -> None:
    here = {
        PurePosixPath(file.relative_to(ROOT).as_posix())
        for package in PACKAGES
        for file in (ROOT / package).rglob("*")
        if file.is_file() and is_data(PurePosixPath(file.relative_to(ROOT).as_posix()))
    }
    assert here <= set(files_of(wheel))


def test_the_exporter_runs_where_nothing_but_prometheus_client_is(
    wheel: Path, tmp_path: Path
) -> None:
    """As on a rasp: the wheel, prometheus_client, and no site-packages (`-S`)."""
    (tmp_path / "prometheus_client").symlink_to(Path(prometheus_client.__file__).parent)
    done = subprocess.run(
        [sys.executable, "-S", "-m", "exporter", "--help"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(wheel), str(tmp_path)])},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "--aliases" in done.stdout


def test_the_command_loads_neither_the_controller_nor_what_that_needs() -> None:
    """So that `pip install pirack[cli]` is enough on anybody's machine."""
    done = subprocess.run(
        [sys.executable, "-c", "import cli.__main__, sys; print(*sys.modules)"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    assert {"cli", "rack", "click", "requests", "rich"} <= loaded
    assert not loaded & {"controller", "flask", "pydantic", "gpiozero", "prometheus_client"}


def locked_versions(level: str) -> dict[str, Version]:
    """What `requirements/<level>.lock` installs, by canonical name."""
    text = (ROOT / "requirements" / f"{level}.lock").read_text(encoding="utf-8")
    found = re.findall(r"^([A-Za-z0-9._-]+)==([^\s;]+)", text, flags=re.MULTILINE)
    return {canonicalize_name(name): Version(version) for name, version in found}


def requirements_of(level: str) -> list[Requirement]:
    """What pyproject.toml asks for at a level: for itself, for its build and for its extras."""
    project = PROJECT["project"]
    extras = ["cli", "master"] if level == "master" else ["cli", "master", "dev"]
    texts = [
        *PROJECT["build-system"]["requires"],
        *project["dependencies"],
        *(text for extra in extras for text in project["optional-dependencies"][extra]),
    ]
    return [each for each in map(Requirement, texts) if each.name != project["name"]]


@pytest.mark.parametrize("level", ["master", "dev"])
def test_a_lock_file_has_all_that_pyproject_asks_for(level: str) -> None:
    locked = locked_versions(level)
    lacking = [
        f"{level}.lock has {locked.get(canonicalize_name(each.name))} for {each}: run `make lock`"
        for each in requirements_of(level)
        if (version := locked.get(canonicalize_name(each.name))) is None
        or not each.specifier.contains(version)
    ]
    assert lacking == []


def test_both_lock_files_pin_the_same_versions() -> None:
    master, dev = locked_versions("master"), locked_versions("dev")
    assert {name: dev.get(name) for name in master} == master
