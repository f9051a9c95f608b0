"""`python -m grafana`, as `make dashboards` runs it."""

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
    return main(["--rack", str(rack), "--output", str(rack.parent / "made"), *arguments])


def test_a_rack_of_ones_own_gets_dashboards_of_its_own(
    rack: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(rack, "--controller", "https://attic.example.org/") == 0
    files = sorted((rack.parent / "made").glob("*.json"))
    assert sorted(capsys.readouterr().out.splitlines()) == [str(file) for file in files]
    made = {file.stem: json.loads(file.read_text()) for file in files}
    assert made["pirack-rack"]["panels"][0]["title"] == "Rasps by state"
    for dashboard in made.values():
        variables = {each["name"]: each for each in dashboard["templating"]["list"]}
        assert variables["controller"]["query"] == "https://attic.example.org"
        if "rack" in variables:
            assert variables["rack"]["current"]["value"] == "attic"


def test_the_classic_shape_has_a_panel_a_stack(rack: Path) -> None:
    run(rack)
    dashboard = json.loads((rack.parent / "made" / "pirack-rack-classic.json").read_text())
    stacks = {each["title"]: each for each in panels(dashboard) if each["title"].isdigit()}
    assert {name: len(each["targets"]) for name, each in stacks.items()} == {"01": 2, "02": 3}
    assert stacks["01"]["gridPos"]["y"] < stacks["02"]["gridPos"]["y"]


def test_made_twice_they_are_the_same(rack: Path) -> None:
    def made() -> list[bytes]:
        run(rack)
        return [file.read_bytes() for file in sorted((rack.parent / "made").glob("*"))]

    assert made() == made()


def test_a_rack_toml_that_is_wrong_is_told_in_one_line(
    rack: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rack.write_text(RACK.replace("pin = 17", "pin = 16"))
    assert run(rack) == 2
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert "stacks[2].pin: pin 16 is already used by stack 1" in told


def test_a_folder_that_cannot_be_written_is_told_in_one_line(
    rack: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (rack.parent / "made").write_text("a file")
    assert run(rack) == 2
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert "name an --output that can be written" in told


@pytest.mark.parametrize("url", ["master:8080", "ftp://master", "http://", "javascript:alert(1)"])
def test_what_is_no_url_of_a_controller_is_refused(
    rack: Path, url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        run(rack, "--controller", url)
    assert ended.value.code == 2
    assert "is no URL such as http://master:8080" in capsys.readouterr().err
