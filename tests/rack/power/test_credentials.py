"""Credentials of power sources, from files and environment variables."""

from pathlib import Path

import pytest

from rack.power.credentials import CredentialError, read_secret
from rack.power.drivers.http_api import HttpSettings


def test_credential_is_the_only_line_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "password"
    for text in (" secret ", " secret \n", " secret \r\n"):
        path.write_bytes(text.encode())
        settings = HttpSettings(api="shelly", password_file=str(path))
        assert read_secret(settings, "password") == " secret "


@pytest.mark.parametrize("content", [b"", b"\n", b"a\nb\n", b"a" * 5000])
def test_file_without_exactly_one_line_is_reported(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "password"
    path.write_bytes(content)
    with pytest.raises(CredentialError) as error:
        read_secret(HttpSettings(api="shelly", password_file=str(path)), "password")
    assert str(error.value) == (
        f"password_file: {path} does not contain exactly one line: write the credential to it"
    )


@pytest.mark.parametrize(
    ("content", "reason"), [(None, "No such file or directory"), (b"\xff", "it is not UTF-8")]
)
def test_file_that_cannot_be_read_is_reported(
    content: bytes | None, reason: str, tmp_path: Path
) -> None:
    path = tmp_path / "password"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(CredentialError) as error:
        read_secret(HttpSettings(api="shelly", password_file=str(path)), "password")
    assert str(error.value) == (
        f"password_file: {path} cannot be read: {reason}:"
        " create a file that the user pirack can read"
    )


def test_credential_comes_from_the_environment() -> None:
    settings = HttpSettings(api="shelly", password_env="PLUGS")
    assert read_secret(settings, "password", {"PLUGS": "secret"}) == "secret"
    with pytest.raises(CredentialError, match="the environment variable PLUGS is not set: set it"):
        read_secret(settings, "password", {})


def test_source_without_a_credential_has_an_empty_one() -> None:
    assert read_secret(HttpSettings(api="shelly"), "password") == ""
