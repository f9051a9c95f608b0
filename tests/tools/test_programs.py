"""Lookup and download of programs, with real apt and dpkg and a test repository."""

import hashlib
import logging
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.helpers.waiting import TIMEOUT_SECONDS
from tools import programs
from tools.debian_packages import DebianPackages
from tools.programs import ProgramError, find

pytestmark = pytest.mark.process

ROOT = Path(__file__).parent.parent.parent

needs_apt = pytest.mark.skipif(
    not all(map(shutil.which, ("apt-get", "dpkg", "dpkg-deb"))),
    reason="apt is not installed: install apt and dpkg",
)

VERSION_SCRIPT = '#!/bin/sh\necho "$(basename "$0") 9, libraries in $LD_LIBRARY_PATH"\n'


class AptRepository:
    """An apt repository in a folder, with apt options that select only this repository."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.dpkg_status = folder / "status"
        self.sources_list = folder / "sources.list"
        folder.mkdir()
        self.dpkg_status.touch()
        (folder / "Packages").touch()
        self.set_source(f"copy:{folder}")

    def set_source(self, address: str) -> None:
        self.sources_list.write_text(f"deb [trusted=yes] {address} ./\n")

    @property
    def options(self) -> tuple[str, ...]:
        return (
            f"Dir::State::Status={self.dpkg_status}",
            f"Dir::Etc::SourceList={self.sources_list}",
            "Dir::Etc::SourceParts=-",
        )

    def add(
        self,
        package: str,
        *,
        depends: str = "",
        files: dict[str, str] | None = None,
        links: dict[str, str] | None = None,
    ) -> None:
        tree = self.folder / "build" / package
        control = f"Package: {package}\nVersion: 9\nArchitecture: all\n"
        control += "Maintainer: PiRack <pirack@example.org>\n"
        control += f"Depends: {depends}\n" if depends else ""
        metadata = {"DEBIAN/control": f"{control}Description: for a test\n"}
        for name, text in {**metadata, **(files or {})}.items():
            file = tree / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
            file.chmod(0o755)
        for name, target in (links or {}).items():
            link = tree / name
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(target)
        archive = self.folder / f"{package}_9_all.deb"
        build = ["dpkg-deb", "--root-owner-group", "--build", str(tree), str(archive)]
        subprocess.run(build, check=True, capture_output=True, timeout=TIMEOUT_SECONDS)
        data = archive.read_bytes()
        with (self.folder / "Packages").open("a") as index:
            index.write(
                f"{control}Filename: ./{archive.name}\nSize: {len(data)}\n"
                f"SHA256: {hashlib.sha256(data).hexdigest()}\n\n"
            )


@pytest.fixture
def repository(tmp_path: Path) -> AptRepository:
    return AptRepository(tmp_path / "repository")


@pytest.fixture
def packages(tmp_path: Path, repository: AptRepository) -> DebianPackages:
    return DebianPackages(tmp_path / "tools", repository.options)


@pytest.fixture
def empty_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A PATH without programs. `find` does not search the folders of daemons either."""
    monkeypatch.setattr(programs, "_DAEMON_FOLDERS", ())
    return str(tmp_path / "nothing")


def test_find_returns_a_program_on_the_path(tmp_path: Path) -> None:
    own = tmp_path / "prometheus"
    own.write_text(VERSION_SCRIPT)
    own.chmod(0o755)
    program = find(
        "prometheus", search_path=str(tmp_path), packages=DebianPackages(tmp_path / "tools")
    )
    assert program.path == own
    assert not (tmp_path / "tools").exists()


def test_find_accepts_debians_name_of_a_program(tmp_path: Path) -> None:
    own = tmp_path / "prometheus-blackbox-exporter"
    own.write_text(VERSION_SCRIPT)
    own.chmod(0o755)
    assert find("blackbox_exporter", search_path=str(tmp_path)).path == own


@needs_apt
def test_find_downloads_a_missing_program_with_its_libraries(
    repository: AptRepository, packages: DebianPackages, empty_path: str
) -> None:
    library = "usr/lib/x86_64-linux-gnu/libanswer.so.1"
    repository.add("libanswer1", files={library: ""})
    repository.add("dhcpcd-base", depends="libanswer1", files={"usr/sbin/dhcpcd": VERSION_SCRIPT})
    program = find("dhcpcd", search_path=empty_path, packages=packages)
    folder = packages.folder / "debian" / "dhcpcd-base" / library
    assert program.version() == f"dhcpcd 9, libraries in {folder.parent}"


@needs_apt
def test_chromium_includes_the_library_that_playwright_requires(
    repository: AptRepository, packages: DebianPackages, empty_path: str
) -> None:
    library = "usr/lib/x86_64-linux-gnu/libatomic.so.1"
    repository.add("libatomic1", files={library: ""})
    executable = "usr/lib/chromium/chromium-headless-shell"
    repository.add("chromium-headless-shell", files={executable: VERSION_SCRIPT})
    program = find("chromium", search_path=empty_path, packages=packages)
    folder = Path(program.extra_environment["LD_LIBRARY_PATH"])
    assert (folder / "libatomic.so.1").exists()


@needs_apt
def test_alertmanager_has_its_templates_in_a_private_usr_share(
    repository: AptRepository, packages: DebianPackages, empty_path: str
) -> None:
    template = "usr/share/prometheus/alertmanager/default.tmpl"
    repository.add(
        "prometheus-alertmanager",
        files={
            template: "hello",
            "usr/bin/prometheus-alertmanager": f"#!/bin/sh\ncat /{template}\n",
        },
    )
    system_files = sorted(Path("/usr/share").iterdir())
    program = find("alertmanager", search_path=empty_path, packages=packages)
    assert program.version() == "hello"
    assert sorted(Path("/usr/share").iterdir()) == system_files


@needs_apt
def test_program_is_downloaded_only_once(
    repository: AptRepository, packages: DebianPackages, empty_path: str
) -> None:
    repository.add("dhcpcd-base", files={"usr/sbin/dhcpcd": VERSION_SCRIPT})
    first = find("dhcpcd", search_path=empty_path, packages=packages)
    shutil.rmtree(repository.folder)
    assert find("dhcpcd", search_path=empty_path, packages=packages) == first


@needs_apt
def test_package_is_downloaded_although_it_is_installed(
    repository: AptRepository, packages: DebianPackages, empty_path: str
) -> None:
    repository.add("dhcpcd-base", files={"usr/sbin/dhcpcd": VERSION_SCRIPT})
    repository.dpkg_status.write_text(
        "Package: dhcpcd-base\nStatus: install ok installed\nVersion: 9\nArchitecture: all\n"
        "Maintainer: PiRack <pirack@example.org>\nDescription: for a test\n\n"
    )
    assert find("dhcpcd", search_path=empty_path, packages=packages).version()


@needs_apt
def test_absolute_link_refers_to_the_unpacked_file(
    repository: AptRepository, packages: DebianPackages, empty_path: str
) -> None:
    repository.add(
        "udhcpc",
        files={"opt/pirack-test/busybox": VERSION_SCRIPT},
        links={"sbin/udhcpc": "/opt/pirack-test/busybox"},
    )
    program = find("udhcpc", search_path=empty_path, packages=packages)
    assert program.version().startswith("udhcpc 9")


@needs_apt
def test_concurrent_calls_download_a_program_once(
    repository: AptRepository,
    packages: DebianPackages,
    empty_path: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    repository.add("dhcpcd-base", files={"usr/sbin/dhcpcd": VERSION_SCRIPT})
    with caplog.at_level(logging.INFO), ThreadPoolExecutor(2) as pool:
        both = [
            pool.submit(find, "dhcpcd", search_path=empty_path, packages=packages) for _ in range(2)
        ]
        assert both[0].result() == both[1].result()
    assert caplog.messages.count("Downloading Debian package dhcpcd-base") == 1


@pytest.fixture
def hanging_server() -> Iterator[str]:
    """A web server that accepts connections but never responds."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


@needs_apt
def test_killed_download_leaves_no_files(
    repository: AptRepository, packages: DebianPackages, empty_path: str, hanging_server: str
) -> None:
    repository.add("dhcpcd-base", files={"usr/sbin/dhcpcd": VERSION_SCRIPT})
    repository.set_source(hanging_server)
    script = (
        "import sys; from pathlib import Path; from tools.debian_packages import DebianPackages;"
        "DebianPackages(Path(sys.argv[1]), tuple(sys.argv[2:])).unpack('dhcpcd-base')"
    )
    command = [sys.executable, "-c", script, str(packages.folder), *packages.options]
    with subprocess.Popen(command, cwd=ROOT, start_new_session=True) as killed:
        deadline = time.monotonic() + 30
        while not list(packages.folder.glob("unfinished-*/archives")):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        os.killpg(killed.pid, signal.SIGKILL)
    repository.set_source(f"copy:{repository.folder}")
    assert find("dhcpcd", search_path=empty_path, packages=packages).version()
    assert not list(packages.folder.glob("unfinished-*"))


def find_error(name: str, search_path: str, packages: DebianPackages) -> str:
    """Return the error message of `find`, which is one line that ends with a hint."""
    with pytest.raises(ProgramError) as caught:
        find(name, search_path=search_path, packages=packages)
    text = str(caught.value)
    assert "\n" not in text
    assert text.endswith(f"install {name} so that it is on the PATH, or use `docker compose up`")
    return text


@needs_apt
def test_error_names_an_unknown_package(packages: DebianPackages, empty_path: str) -> None:
    assert "Unable to locate package dhcpcd-base" in find_error("dhcpcd", empty_path, packages)


@needs_apt
def test_error_names_an_unreachable_source(
    repository: AptRepository, packages: DebianPackages, empty_path: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"http://127.0.0.1:{server.getsockname()[1]}"
    repository.set_source(address)
    assert address in find_error("dhcpcd", empty_path, packages)


@needs_apt
def test_error_names_a_program_that_does_not_run(
    repository: AptRepository, packages: DebianPackages, empty_path: str
) -> None:
    broken = "#!/bin/sh\necho 'libmissing.so.1: cannot open' >&2\nexit 127\n"
    repository.add("dhcpcd-base", files={"usr/sbin/dhcpcd": broken})
    text = find_error("dhcpcd", empty_path, packages)
    assert "does not run on this machine (libmissing.so.1: cannot open)" in text


def test_error_reports_missing_apt(
    packages: DebianPackages, empty_path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", empty_path)
    assert "apt-get is not installed" in find_error("dhcpcd", empty_path, packages)
