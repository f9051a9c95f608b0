"""Command line of `python -m grafana`."""

import json
from pathlib import Path

import pytest

from grafana.__main__ import main
from tests.grafana.dashboard_reader import panels
from tests.helpers.layouts import layout_text

RACK = layout_text(
    [{"pin": 16, "x": 0, "y": 0}, {"pin": 17, "x": 0, "y": 1, "slots": 3}], name="attic"
)


@pytest.fixture
def rack(tmp_path: Path) -> Path:
    file = tmp_path / "rack.toml"
    file.write_text(RACK)
    return file


def run(rack: Path, *arguments: str) -> int:
    return main(["--rack", str(rack), "--output", str(rack.parent / "output"), *arguments])


def test_dashboards_contain_the_rack_and_the_controller_url(
    rack: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(rack, "--controller", "https://attic.example.org/") == 0
    files = sorted((rack.parent / "output").glob("*.json"))
    assert sorted(capsys.readouterr().out.splitlines()) == [str(file) for file in files]
    dashboards = {file.stem: json.loads(file.read_text()) for file in files}
    assert dashboards["pirack-rack"]["panels"][0]["title"] == "Rasps by state"
    for dashboard in dashboards.values():
        variables = {variable["name"]: variable for variable in dashboard["templating"]["list"]}
        assert variables["controller"]["query"] == "https://attic.example.org"
        if "rack" in variables:
            assert variables["rack"]["current"]["value"] == "attic"


def test_classic_dashboard_has_one_panel_per_stack(rack: Path) -> None:
    run(rack)
    dashboard = json.loads((rack.parent / "output" / "pirack-rack-classic.json").read_text())
    stacks = {panel["title"]: panel for panel in panels(dashboard) if panel["title"].isdigit()}
    assert {name: len(panel["targets"]) for name, panel in stacks.items()} == {"01": 2, "02": 3}
    assert stacks["01"]["gridPos"]["y"] < stacks["02"]["gridPos"]["y"]


def test_output_is_deterministic(rack: Path) -> None:
    def generate() -> list[bytes]:
        run(rack)
        return [file.read_bytes() for file in sorted((rack.parent / "output").glob("*"))]

    assert generate() == generate()


def test_invalid_rack_toml_produces_one_error_line(
    rack: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rack.write_text(RACK.replace("pin = 17", "pin = 16"))
    assert run(rack) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "stacks[2].pin: pin 16 is already used by stack 1" in error


def test_unwritable_output_folder_produces_one_error_line(
    rack: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (rack.parent / "output").write_text("a file")
    assert run(rack) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "choose a writable folder with --output" in error


@pytest.mark.parametrize("url", ["master:8080", "ftp://master", "http://", "javascript:alert(1)"])
def test_invalid_controller_url_is_rejected(
    rack: Path, url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as exit_error:
        run(rack, "--controller", url)
    assert exit_error.value.code == 2
    assert "is not a valid URL: use a URL such as http://master:8080" in capsys.readouterr().err
