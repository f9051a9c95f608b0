"""What the demo prints when it is ready."""

from pathlib import Path

from virtual_rack.demo.banner import welcome_text
from virtual_rack.demo.config import RackOptions, make_config
from virtual_rack.demo.credentials import Credentials


def banner_lines(port_base: int | None) -> list[str]:
    config = make_config(RackOptions(), port_base)
    return welcome_text(config, [], Credentials("operator", "a-password", "a-token")).splitlines()


def test_demo_on_default_ports_needs_only_a_token_and_only_in_other_folders() -> None:
    lines = banner_lines(None)
    start = lines.index("In a terminal, in this folder:")
    assert lines[start + 1] == "  .venv/bin/pirack status"
    assert [line for line in lines if "export" in line] == ["  export PIRACK_TOKEN=a-token"]
    assert "  .venv/bin/python -m virtual_rack fault 3/2 dead" in lines
    assert "What to try next: docs/tutorial.md" in lines
    assert Path("docs/tutorial.md").is_file()


def test_demo_on_other_ports_prints_the_variables_and_options_to_copy() -> None:
    lines = banner_lines(12000)
    start = lines.index("In a terminal, in this folder:")
    assert lines[start + 1 : start + 3] == [
        "  export PIRACK_URL=http://127.0.0.1:12000",
        "  .venv/bin/pirack status",
    ]
    assert "  export PIRACK_URL=http://127.0.0.1:12000 PIRACK_TOKEN=a-token" in lines
    assert "  .venv/bin/python -m virtual_rack fault 3/2 dead --state .demo-12000" in lines
