"""Who asks: the token of the environment or of a file, and never of the command line."""

from pathlib import Path

import pytest

from controller.auth.access_control import AccessControl
from controller.auth.roles import Role
from rack.layout import Anonymous
from tests.cli.conftest import RunPirack


@pytest.fixture
def anonymous() -> Anonymous:
    return "nobody"


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


def test_without_a_token_the_refusal_says_where_to_put_one(run: RunPirack) -> None:
    done = run("status")
    assert done.returncode == 3
    assert "wants a token: put one into PIRACK_TOKEN or ~/.config/pirack/token" in done.stderr


def test_the_token_of_the_environment_opens(
    run: RunPirack, token: str, environment: dict[str, str]
) -> None:
    environment["PIRACK_TOKEN"] = token
    assert run("status").returncode == 0


def test_the_token_of_the_file_opens(run: RunPirack, token_file: Path) -> None:
    assert run("status").returncode == 0


def test_a_netrc_does_not_take_the_tokens_place(
    run: RunPirack, token_file: Path, tmp_path: Path
) -> None:
    netrc = tmp_path / ".netrc"
    netrc.write_text("default login somebody password else\n")
    netrc.chmod(0o600)
    assert run("status").returncode == 0


def test_a_token_that_others_can_read_is_refused_with_the_mend(
    run: RunPirack, token_file: Path
) -> None:
    token_file.chmod(0o644)
    done = run("status")
    assert (done.returncode, done.stderr) == (
        2,
        f"pirack: {token_file} can be read by others: run chmod 600 {token_file}\n",
    )


def test_a_wrong_token_is_told_and_not_shown(run: RunPirack, environment: dict[str, str]) -> None:
    environment["PIRACK_TOKEN"] = "pirack_wrong"
    done = run("status")
    assert done.returncode == 3
    assert "does not take this token" in done.stderr
    assert "pirack_wrong" not in done.stderr


@pytest.mark.parametrize("text", ["two words", "line\nbreak", "é", "  "])
def test_what_cannot_be_a_token_is_refused_and_not_sent(
    run: RunPirack, environment: dict[str, str], text: str
) -> None:
    environment["PIRACK_TOKEN"] = text
    done = run("status")
    assert (done.returncode, done.stderr) == (
        2,
        "pirack: PIRACK_TOKEN holds no token: put one there, in one line, or remove it\n",
    )


def test_help_needs_neither_a_token_nor_a_controller(run: RunPirack, token_file: Path) -> None:
    token_file.chmod(0o644)
    done = run("rasps", "--help", at="nowhere")
    assert (done.returncode, done.stderr) == (0, "")
