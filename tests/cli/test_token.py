"""The API token, from the environment or from a file."""

from pathlib import Path

import pytest

from controller.auth.access_control import AccessControl
from controller.auth.roles import Role
from rack.demo_token import remove_demo_token, write_demo_token
from rack.settings import Anonymous
from tests.cli.conftest import RunPirack

pytestmark = pytest.mark.process


@pytest.fixture
def anonymous() -> Anonymous:
    return "none"


@pytest.fixture
def token(access: AccessControl) -> str:
    return access.tokens.add("terminal", Role.VIEWER)


@pytest.fixture
def token_file(tmp_path: Path, token: str) -> Path:
    path = tmp_path / ".config" / "pirack" / "token"
    path.parent.mkdir(parents=True)
    path.write_text(f"{token}\n")
    path.chmod(0o600)
    return path


def test_missing_token_is_reported_with_fix(run: RunPirack) -> None:
    completed = run("status")
    assert completed.returncode == 3
    assert "requires a token: set PIRACK_TOKEN, or write ~/.config/pirack/token" in completed.stderr


def test_token_of_environment_is_used(
    run: RunPirack, token: str, environment: dict[str, str]
) -> None:
    environment["PIRACK_TOKEN"] = token
    assert run("status").returncode == 0


def test_token_of_file_is_used(run: RunPirack, token_file: Path) -> None:
    assert run("status").returncode == 0


def test_token_file_of_a_windows_editor_is_used(
    run: RunPirack, token_file: Path, token: str
) -> None:
    token_file.write_bytes(b"\xef\xbb\xbf" + f"{token}\r\n".encode())
    assert run("status").returncode == 0


def test_token_of_a_demo_is_used_for_its_url_only(
    run: RunPirack, url: str, token: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    state = tmp_path / ".demo-24000"
    state.mkdir()
    write_demo_token(state, url, token)
    assert (state / "token").stat().st_mode & 0o777 == 0o600
    assert run("status").returncode == 0
    write_demo_token(state, "http://127.0.0.1:1", token)
    assert "requires a token" in run("status").stderr
    write_demo_token(state, url, token)
    (state / "token").chmod(0o644)
    assert "requires a token" in run("status").stderr
    remove_demo_token(state)
    assert "requires a token" in run("status").stderr


def test_netrc_does_not_replace_token(run: RunPirack, token_file: Path, tmp_path: Path) -> None:
    netrc = tmp_path / ".netrc"
    netrc.write_text("default login user password else\n")
    netrc.chmod(0o600)
    assert run("status").returncode == 0


def test_token_file_that_others_can_read_is_rejected_with_fix(
    run: RunPirack, token_file: Path
) -> None:
    token_file.chmod(0o644)
    completed = run("status")
    assert (completed.returncode, completed.stderr) == (
        2,
        f"pirack: {token_file} is readable by other users: run chmod 600 {token_file}\n",
    )


def test_rejected_token_is_not_printed(run: RunPirack, environment: dict[str, str]) -> None:
    environment["PIRACK_TOKEN"] = "pirack_wrong"
    completed = run("status")
    assert completed.returncode == 3
    assert "rejected the token" in completed.stderr
    assert "pirack_wrong" not in completed.stderr


@pytest.mark.parametrize("text", ["two words", "line\nbreak", "é", "  "])
def test_malformed_token_is_rejected(
    run: RunPirack, environment: dict[str, str], text: str
) -> None:
    environment["PIRACK_TOKEN"] = text
    completed = run("status")
    assert (completed.returncode, completed.stderr) == (
        2,
        "pirack: PIRACK_TOKEN does not contain a valid token: write one line, or remove it\n",
    )


def test_help_requires_neither_token_nor_controller(run: RunPirack, token_file: Path) -> None:
    token_file.chmod(0o644)
    completed = run("rasps", "--help", at="nowhere")
    assert (completed.returncode, completed.stderr) == (0, "")
