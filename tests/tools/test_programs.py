"""Programs are found or fetched: real apt and dpkg, on a repository that each test makes."""

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

from tools import programs
from tools.debian_packages import DebianPackages
from tools.programs import ProgramError, find

ROOT = Path(__file__).parent.parent.parent

needs_apt = pytest.mark.skipif(
    not all(map(shutil.which, ("apt-get", "dpkg", "dpkg-deb"))),
    reason="this machine has no apt: install apt and dpkg",
)

VERSION_SCRIPT = '#!/bin/sh\necho "$(basename "$0") 9, libraries in $LD_LIBRARY_PATH"\n'


class AptRepository:
    """An apt repository in a folder, and what apt needs to use it and nothing of the machine."""

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
        about = {"DEBIAN/control": f"{control}Description: for a test\n"}
        for name, text in {**about, **(files or {})}.items():
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
        subprocess.run(build, check=True, capture_output=True, timeout=30)
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
    """A PATH on which nothing is; the daemons' folders are as empty."""
    monkeypatch.setattr(programs, "_DAEMONS", ())
    return str(tmp_path / "nothing")


def test_a_program_on_the_path_is_taken(tmp_path: Path) -> None:
    own = tmp_path / "prometheus"
    own.write_text(VERSION_SCRIPT)
    own.chmod(0o755)
    found = find(
        "prometheus", search_path=str(tmp_path), packages=DebianPackages(tmp_path / "tools")
    )
    assert found.path == own
    assert not (tmp_path / "tools").exists()


def test_a_program_on_the_path_may_bear_debians_name(tmp_path: Path) -> None:
    own = tmp_path / "prometheus-blackbox-exporter"
    own.write_text(VERSION_SCRIPT)
    own.chmod(0o755)
    assert find("blackbox_exporter", search_path=str(tmp_path)).path == own


@needs_apt
def test_a_program_that_the_machine_lacks_is_fetched_with_its_libraries(
    repository: AptRepository, packages: DebianPackages, empty_path: str
) -> None:
    library = "usr/lib/x86_64-linux-gnu/libanswer.so.1"
    repository.add("libanswer1", files={library: ""})
    repository.add("dhcpcd-base", depends="libanswer1", files={"usr/sbin/dhcpcd": VERSION_SCRIPT})
    found = find("dhcpcd", search_path=empty_path, packages=packages)
    folder = packages.folder / "debian" / "dhcpcd-base" / library
    assert found.version() == f"dhcpcd 9, libraries in {folder.parent}"


@needs_apt
def test_chromium_comes_with_what_playwright_needs_besides(
    repository: AptRepository, packages: DebianPackages, empty_path: str
) -> None:
    library = "usr/lib/x86_64-linux-gnu/libatomic.so.1"
    repository.add("libatomic1", files={library: ""})
    repository.add("chromium", files={"usr/lib/chromium/chromium": VERSION_SCRIPT})
    found = find("chromium", search_path=empty_path, packages=packages)
    folder = Path(found.extra_environment["LD_LIBRARY_PATH"])
    assert (folder / "libatomic.so.1").exists()


@needs_apt
def test_alertmanager_finds_its_templates_where_it_alone_sees_them(
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
    before = sorted(Path("/usr/share").iterdir())
    found = find("alertmanager", search_path=empty_path, packages=packages)
    assert found.version() == "hello"
    assert sorted(Path("/usr/share").iterdir()) == before


@needs_apt
def test_a_program_is_fetched_once(
    repository: AptRepository, packages: DebianPackages, empty_path: str
) -> None:
    repository.add("dhcpcd-base", files={"usr/sbin/dhcpcd": VERSION_SCRIPT})
    first = find("dhcpcd", search_path=empty_path, packages=packages)
    shutil.rmtree(repository.folder)
    assert find("dhcpcd", search_path=empty_path, packages=packages) == first


@needs_apt
def test_a_package_that_the_machine_counts_as_installed_is_fetched_all_the_same(
    repository: AptRepository, packages: DebianPackages, empty_path: str
) -> None:
    repository.add("dhcpcd-base", files={"usr/sbin/dhcpcd": VERSION_SCRIPT})
    repository.dpkg_status.write_text(
        "Package: dhcpcd-base\nStatus: install ok installed\nVersion: 9\nArchitecture: all\n"
        "Maintainer: PiRack <pirack@example.org>\nDescription: for a test\n\n"
    )
    assert find("dhcpcd", search_path=empty_path, packages=packages).version()


@needs_apt
def test_an_absolute_link_means_the_file_that_was_unpacked(
    repository: AptRepository, packages: DebianPackages, empty_path: str
) -> None:
    repository.add(
        "udhcpc",
        files={"opt/pirack-test/busybox": VERSION_SCRIPT},
        links={"sbin/udhcpc": "/opt/pirack-test/busybox"},
    )
    found = find("udhcpc", search_path=empty_path, packages=packages)
    assert found.version().startswith("udhcpc 9")


@needs_apt
def test_two_at_once_fetch_a_program_once(
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
    assert caplog.messages.count("Fetching dhcpcd-base from Debian's packages") == 1


@pytest.fixture
def hanging_server() -> Iterator[str]:
    """A web server that accepts and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


@needs_apt
def test_a_fetch_that_was_killed_leaves_nothing_behind(
    repository: AptRepository, packages: DebianPackages, empty_path: str, hanging_server: str
) -> None:
    repository.add("dhcpcd-base", files={"usr/sbin/dhcpcd": VERSION_SCRIPT})
    repository.set_source(hanging_server)
    fetch = (
        "import sys; from pathlib import Path; from tools.debian_packages import Debian;"
        "Debian(Path(sys.argv[1]), tuple(sys.argv[2:])).unpack('dhcpcd-base')"
    )
    command = [sys.executable, "-c", fetch, str(packages.folder), *packages.options]
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
    """What `find` says when it fails: one line that ends in the mend."""
    with pytest.raises(ProgramError) as caught:
        find(name, search_path=search_path, packages=packages)
    text = str(caught.value)
    assert "\n" not in text
    assert text.endswith(f"install {name} so that it is on the PATH, or use `docker compose up`")
    return text


@needs_apt
def test_a_package_that_no_source_has_is_named(packages: DebianPackages, empty_path: str) -> None:
    assert "Unable to locate package dhcpcd-base" in find_error("dhcpcd", empty_path, packages)


@needs_apt
def test_a_source_that_is_away_is_named(
    repository: AptRepository, packages: DebianPackages, empty_path: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"http://127.0.0.1:{server.getsockname()[1]}"
    repository.set_source(address)
    assert address in find_error("dhcpcd", empty_path, packages)


@needs_apt
def test_a_program_that_does_not_run_here_is_named(
    repository: AptRepository, packages: DebianPackages, empty_path: str
) -> None:
    broken = "#!/bin/sh\necho 'libmissing.so.1: cannot open' >&2\nexit 127\n"
    repository.add("dhcpcd-base", files={"usr/sbin/dhcpcd": broken})
    text = find_error("dhcpcd", empty_path, packages)
    assert "does not run here (libmissing.so.1: cannot open)" in text


def test_a_machine_without_apt_is_told_so(
    packages: DebianPackages, empty_path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", empty_path)
    assert "this machine has no apt-get" in find_error("dhcpcd", empty_path, packages)
