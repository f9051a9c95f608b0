"""Who may import whom. The standard library is free; all else stands here or is refused."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent

PYDANTIC = {"pydantic", "pydantic_core"}
FLASK = {"flask", "werkzeug"}

# A package, or one module of it that may import more than its package.
ALLOWED_IMPORTS = {
    "exporter": {"prometheus_client"},
    "rack": PYDANTIC,
    "rack.relays": {"gpiozero"},
    # Pins are drivers of gpiozero's, which loads them by name: nothing here imports these two.
    "rack.latching_pins": {"gpiozero", "lgpio"},
    "dhcp_installer": {"rack", "click", "jinja2"},
    "dhcp_installer.discovery.pingers": {
        "icmplib"
    },  # echo requests, which the standard library cannot make
    "dhcp_installer.install.terminal": {"rich"},  # the line that tells how far an install is
    "controller": {
        "exporter",  # the format of aliases files: what can be read and ordered
        "rack",
        "dhcp_installer",
        "asyncssh",
        "prometheus_client",
        "psutil",
        "requests",
        "spectree",
        "waitress",
        *FLASK,
        *PYDANTIC,
    },
    "cli": {
        "exporter",  # the format of aliases files, which `pirack deploy` checks
        "dhcp_installer",  # the names of the strategies
        "rack",
        "click",
        "requests",
        "rich",
    },
    "cli.deploy.transfer": {"asyncssh"},
    "grafana": {"rack"},
    "virtual_rack": {
        "exporter",
        "grafana",
        "rack",
        "dhcp_installer",
        "controller",
        "asyncssh",
        "prometheus_client",
        "psutil",
        "requests",
    },
    "virtual_rack.pins": {"gpiozero"},
    "bench": {
        "controller",
        "deploy",
        "dhcp_installer",
        "exporter",
        "rack",
        "tests",
        "virtual_rack",
        "prometheus_client",
        "waitress",
        *FLASK,
        "requests",
    },
}
PACKAGES = [name for name in ALLOWED_IMPORTS if "." not in name]


def imports(source: str) -> Iterator[tuple[int, str]]:
    """Each import statement: its line and top-level module. Relative ones stay inside a package."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            for name in node.names:
                yield node.lineno, name.name.partition(".")[0]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.lineno, node.module.partition(".")[0]


def forbidden_imports(root: Path) -> list[str]:
    """Each import in `root`'s packages that the table refuses, with its file, line and rule."""
    found = []
    for package in PACKAGES:
        for file in sorted((root / package).rglob("*.py")):
            module = ".".join(file.relative_to(root).with_suffix("").parts)
            allowed = ALLOWED_IMPORTS[package] | ALLOWED_IMPORTS.get(module, set())
            free = allowed | {package} | sys.stdlib_module_names
            found += [
                f"{file.relative_to(root)}:{line}: {module} may not import {imported}, only "
                f"{', '.join(sorted(allowed))} and the standard library"
                for line, imported in imports(file.read_text(encoding="utf-8"))
                if imported not in free
            ]
    return found


def test_every_import_keeps_to_the_table() -> None:
    found = forbidden_imports(ROOT)
    assert not found, "\n".join(found)


def test_every_package_of_the_distribution_is_in_the_table() -> None:
    on_disk = {init.parent.name for init in ROOT.glob("*/__init__.py")}
    assert on_disk == set(PACKAGES)


def write_module(root: Path, file: str, text: str) -> None:
    (root / file).parent.mkdir(parents=True, exist_ok=True)
    (root / file).write_text(text)


def test_a_trespass_is_named_with_file_line_and_rule(tmp_path: Path) -> None:
    write_module(tmp_path, "exporter/server.py", "import socket\n\nimport flask.views\n")
    assert forbidden_imports(tmp_path) == [
        "exporter/server.py:3: exporter.server may not import flask, only prometheus_client and "
        "the standard library"
    ]


def test_an_import_inside_a_function_counts(tmp_path: Path) -> None:
    write_module(tmp_path, "rack/layout.py", "def load():\n    from controller import api\n")
    [trespass] = forbidden_imports(tmp_path)
    assert trespass.startswith("rack/layout.py:2: rack.layout may not import controller")


def test_the_relays_alone_may_touch_the_pins(tmp_path: Path) -> None:
    write_module(tmp_path, "rack/relays.py", "import gpiozero\n")
    write_module(tmp_path, "rack/inventory.py", "from gpiozero import LED\n")
    write_module(tmp_path, "controller/web/app.py", "import gpiozero\n")
    assert [trespass.partition(":")[0] for trespass in forbidden_imports(tmp_path)] == [
        "rack/inventory.py",
        "controller/web/app.py",
    ]


def test_a_packages_own_modules_and_the_standard_library_are_free(tmp_path: Path) -> None:
    write_module(
        tmp_path, "rack/sub/layout.py", "import os.path\nfrom rack import places\nfrom . import x\n"
    )
    assert forbidden_imports(tmp_path) == []
