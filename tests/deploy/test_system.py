"""Tests of configuration files that operators may modify."""

import logging
from pathlib import Path

import pytest

from deploy.system import install_conffile


@pytest.fixture
def conffile(tmp_path: Path) -> Path:
    """A configuration file as installed by the first release."""
    path = tmp_path / "prometheus" / "prometheus.yml"
    install_conffile(b"# first\n", path)
    return path


def visible_files(conffile: Path) -> dict[str, bytes]:
    return {
        file.name: file.read_bytes()
        for file in conffile.parent.iterdir()
        if not file.name.startswith(".")
    }


def test_file_without_local_changes_is_upgraded(conffile: Path) -> None:
    install_conffile(b"# second\n", conffile)
    assert visible_files(conffile) == {"prometheus.yml": b"# second\n"}


def test_file_with_local_changes_is_kept_beside_the_new_version(
    conffile: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    conffile.write_bytes(b"# local\n")
    install_conffile(b"# second\n", conffile)
    new = conffile.with_name("prometheus.yml.new")
    assert visible_files(conffile) == {"prometheus.yml": b"# local\n", new.name: b"# second\n"}
    message = f"Kept {conffile} because of local changes; the new version is {new}"
    assert caplog.messages == [message]
    install_conffile(b"# second\n", conffile)
    assert caplog.messages == [message], "the same version is reported once"


def test_new_version_disappears_when_the_operator_adopts_it(conffile: Path) -> None:
    conffile.write_bytes(b"# local\n")
    install_conffile(b"# second\n", conffile)
    conffile.write_bytes(b"# second\n")
    install_conffile(b"# second\n", conffile)
    assert visible_files(conffile) == {"prometheus.yml": b"# second\n"}
