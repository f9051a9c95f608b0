"""Tests of the allowed imports between packages."""

import ast
import sys
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).parents[2]

PYDANTIC = {"pydantic", "pydantic_core"}
FLASK = {"flask", "werkzeug"}

# Allowed imports of a package or a module, besides itself and the standard library.
# A module may also import everything that its package may import.
ALLOWED_IMPORTS = {
    "exporter": {"prometheus_client"},
    "tools": set(),
    "tools.dashboard_pictures": {"tools", "playwright", "requests"},
    "rack": {"rack.power", *PYDANTIC},
    "rack.power": {"rack", *PYDANTIC},
    "rack.power.drivers": {"rack", "rack.power", *PYDANTIC},
    "rack.power.drivers.gpio": {"gpiozero"},
    "rack.power.drivers.snmp_client": {"pysnmp"},
    "rack.power.contract": {"pytest"},  # for tests of drivers
    "rack.gpio.chip": {"gpiod"},
    "rack.gpio.pins": {"gpiozero"},  # loaded by gpiozero
    "rack.gpio": {"rack"},
    "rack.fitted_table": {"rich"},
    "rack.terminal": {"click", "rich"},
    "grafana": {"rack"},
    "dhcp_installer": {
        "dhcp_installer.dhcpd",
        "dhcp_installer.discovery",
        "dhcp_installer.install",
        "rack",
        "rack.power",
        "click",
    },
    "dhcp_installer.dhcpd": {"dhcp_installer", "rack", "jinja2"},
    "dhcp_installer.discovery": {"dhcp_installer", "dhcp_installer.dhcpd", "rack"},
    "dhcp_installer.discovery.pingers": {"icmplib"},
    "dhcp_installer.install": {
        "dhcp_installer",
        "dhcp_installer.dhcpd",
        "dhcp_installer.discovery",
        "rack",
        "rack.power",
    },
    "dhcp_installer.install.terminal": {"rich"},
    "controller": {
        "controller.activity",
        "controller.alerts",
        "controller.auth",
        "controller.command_line",
        "controller.doctor",
        "controller.experiments",
        "controller.installation",
        "controller.master",
        "controller.orders",
        "controller.pages",
        "controller.reservations",
        "controller.ssh",
        "controller.state",
        "controller.web",
        "dhcp_installer",
        "dhcp_installer.discovery",
        "dhcp_installer.install",
        "exporter",
        "rack",
        "rack.power",
        "rack.gpio",
        "click",
        "flask",
        "jinja2",
        "prometheus_client",
        "waitress",
    },
    "controller.activity": {
        "controller",
        "controller.auth",
        "controller.experiments",
        "controller.installation",
        "controller.orders",
        "controller.state",
        "controller.web",
        "dhcp_installer.install",
        "rack",
        "rack.power",
        *FLASK,
        *PYDANTIC,
    },
    "controller.auth": {"controller", "rack", *FLASK},
    "controller.state": {
        "controller",
        "exporter",
        "rack",
        "rack.power",
        "prometheus_client",
        *PYDANTIC,
    },
    "controller.ssh": {"controller", "rack", "asyncssh"},
    "controller.master": {
        "controller",
        "controller.state",
        "rack",
        "rack.gpio",
        "prometheus_client",
        "psutil",
    },
    "controller.doctor": {
        "controller",
        "controller.master",
        "controller.state",
        "controller.web",
        "dhcp_installer.dhcpd",
        "exporter",
        "rack",
        "rack.gpio",
        "psutil",
        *FLASK,
        *PYDANTIC,
    },
    "controller.doctor.certificates": {"cryptography"},
    "controller.web": {
        "controller",
        "controller.auth",
        "controller.master",
        "controller.state",
        "dhcp_installer",
        "rack",
        "spectree",
        "waitress",
        *FLASK,
        *PYDANTIC,
    },
    "controller.orders": {
        "controller",
        "controller.auth",
        "controller.ssh",
        "controller.state",
        "controller.web",
        "exporter",
        "rack",
        "rack.power",
        "prometheus_client",
        *FLASK,
        *PYDANTIC,
    },
    "controller.alerts": {
        "controller",
        "controller.auth",
        "controller.orders",
        "controller.state",
        "controller.web",
        "rack",
        "bcrypt",
        *FLASK,
        *PYDANTIC,
    },
    "controller.installation": {
        "controller",
        "controller.auth",
        "controller.ssh",
        "controller.state",
        "controller.web",
        "dhcp_installer",
        "dhcp_installer.install",
        "rack",
        "rack.power",
        "prometheus_client",
        *FLASK,
        *PYDANTIC,
    },
    "controller.experiments": {
        "controller",
        "controller.auth",
        "controller.orders",
        "controller.reservations",
        "controller.state",
        "controller.web",
        "rack",
        "rack.power",
        "prometheus_client",
        *FLASK,
        *PYDANTIC,
    },
    "controller.pages": {
        "controller",
        "controller.activity",
        "controller.alerts",
        "controller.auth",
        "controller.doctor",
        "controller.experiments",
        "controller.installation",
        "controller.master",
        "controller.orders",
        "controller.reservations",
        "controller.state",
        "controller.web",
        "dhcp_installer",
        "dhcp_installer.install",
        "rack",
        "rack.power",
        *FLASK,
    },
    "controller.pages.runbooks": {"markdown_it"},
    "controller.reservations": {
        "controller",
        "controller.auth",
        "controller.orders",
        "controller.web",
        "rack",
        "prometheus_client",
        *FLASK,
        *PYDANTIC,
    },
    "controller.backup": {"controller", "rack", *PYDANTIC},
    "controller.command_line": {
        "controller",
        "controller.alerts",
        "controller.auth",
        "controller.backup",
        "controller.doctor",
        "controller.master",
        "controller.ssh",
        "controller.state",
        "dhcp_installer",
        "exporter",
        "rack",
        "rack.power",
        "click",
        "prometheus_client",
    },
    "cli": {
        "cli.card",
        "cli.deploy",
        "cli.experiments",
        "cli.top",
        "dhcp_installer",
        "rack",
        "click",
        "requests",
        "rich",
    },
    "cli.card": {"cli.deploy", "rack", "click"},
    "cli.deploy": {"cli", "exporter", "rack", "click", "rich"},
    "cli.deploy.transfer": {"asyncssh"},
    "cli.experiments": {"cli", "rack", "click", "rich"},
    "cli.top": {"cli", "rack", "click", "rich"},
    "deploy": {"controller", "controller.ssh", "exporter", "rack", "rack.gpio", "tools"},
    "deploy.set_up_ssh": {"asyncssh", "click"},
    "virtual_rack": {
        "controller.ssh",
        "dhcp_installer",
        "dhcp_installer.dhcpd",
        "exporter",
        "rack",
        "rack.power",
        "tools",
        "virtual_rack.outlets",
        "asyncssh",
    },
    "virtual_rack.outlets": {"rack", "rack.power", "tools", "virtual_rack"},
    "virtual_rack.pins": {"gpiozero"},
    "virtual_rack.demo": {
        "virtual_rack",
        "virtual_rack.outlets",
        "controller.alerts",
        "controller.auth",
        "exporter",
        "grafana",
        "rack",
        "tools",
        "cli",
        "psutil",
        "requests",
    },
    "examples": {"exporter", "rack", "rack.power", "tools", "virtual_rack", "virtual_rack.demo"},
    "examples.power_driver.pirack_scpi": set(),
    "examples.power_driver.pirack_scpi.driver": PYDANTIC,
    "examples.power_driver.test_contract": {"pirack_scpi", "pytest"},
    "bench": {
        "controller",
        "controller.alerts",
        "controller.auth",
        "controller.master",
        "controller.orders",
        "controller.ssh",
        "controller.state",
        "deploy",
        "dhcp_installer.discovery",
        "exporter",
        "rack",
        "rack.power",
        "tests",
        "tools",
        "virtual_rack",
        "virtual_rack.demo",
        "prometheus_client",
        "requests",
        "waitress",
        *FLASK,
    },
}
PACKAGES = [name for name in ALLOWED_IMPORTS if ROOT.joinpath(*name.split(".")).is_dir()]
NOT_PRODUCT = {"virtual_rack", "bench", "examples", "tests"}


def modules(root: Path) -> Iterator[tuple[Path, str]]:
    """Yield the path and the dotted name of each module in the packages of `root`."""
    for package in PACKAGES:
        if "." not in package:
            for file in sorted((root / package).rglob("*.py")):
                parts = file.relative_to(root).with_suffix("").parts
                yield file, ".".join(parts).removesuffix(".__init__")


def imports(file: Path) -> Iterator[tuple[int, str]]:
    """Yield the line and the dotted name of each absolute import."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, name.name) for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield from ((node.lineno, f"{node.module}.{name.name}") for name in node.names)


def package_of(name: str) -> str:
    """Return the package of a module, which is a subpackage in the table or a top-level package."""
    subpackage = ".".join(name.split(".")[:2])
    return subpackage if subpackage in PACKAGES else name.partition(".")[0]


def forbidden_imports(root: Path) -> list[str]:
    """Return each import that the table does not allow, with its file, line and rule."""
    errors = []
    for file, module in modules(root):
        package = package_of(module)
        allowed = ALLOWED_IMPORTS[package] | ALLOWED_IMPORTS.get(module, set())
        errors += [
            f"{file.relative_to(root)}:{line}: {module} may not import {package_of(name)}, only "
            f"{', '.join(sorted(allowed))} and the standard library"
            for line, name in imports(file)
            if package_of(name) not in allowed | {package} | sys.stdlib_module_names
        ]
    return errors


def import_cycle(root: Path) -> list[str]:
    """Return a cycle of subpackages and top-level modules that import each other, or []."""

    def node(name: str) -> str:
        package = package_of(name)
        has_subpackages = any(other.startswith(f"{package}.") for other in PACKAGES)
        module = ".".join(name.split(".")[:2])
        is_module = root.joinpath(*module.split(".")).with_suffix(".py").exists()
        return module if has_subpackages and is_module else package

    graph: dict[str, set[str]] = {}
    for file, module in modules(root):
        names = {node(name) for _, name in imports(file)}
        graph.setdefault(node(module), set()).update(names - {node(module)})
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        cycle: list[str] = error.args[1]
        return cycle
    return []


def test_every_import_is_allowed() -> None:
    errors = forbidden_imports(ROOT)
    assert not errors, "\n".join(errors)


def test_packages_have_no_import_cycle() -> None:
    assert import_cycle(ROOT) == []


def test_product_code_does_not_import_simulator_benchmarks_or_tests() -> None:
    errors = [
        f"{file.relative_to(ROOT)}:{line}: {name}"
        for file, module in modules(ROOT)
        for line, name in imports(file)
        if name.partition(".")[0] in NOT_PRODUCT and module.partition(".")[0] not in NOT_PRODUCT
    ]
    assert errors == []


def test_every_package_is_in_the_table() -> None:
    on_disk = {init.parent.relative_to(ROOT) for init in ROOT.glob("[!.]*/**/__init__.py")}
    names = {".".join(path.parts) for path in on_disk if path.parts[0] != "tests"}
    assert names | {"deploy", "examples"} == set(PACKAGES)


def write_module(root: Path, file: str, text: str) -> None:
    (root / file).parent.mkdir(parents=True, exist_ok=True)
    (root / file).write_text(text)


def test_forbidden_import_is_reported_with_file_line_and_rule(tmp_path: Path) -> None:
    write_module(tmp_path, "exporter/server.py", "import socket\n\nimport flask.views\n")
    assert forbidden_imports(tmp_path) == [
        "exporter/server.py:3: exporter.server may not import flask, only prometheus_client and "
        "the standard library"
    ]


def test_import_inside_a_function_is_checked(tmp_path: Path) -> None:
    write_module(tmp_path, "rack/layout.py", "def load():\n    from controller import api\n")
    [error] = forbidden_imports(tmp_path)
    assert error.startswith("rack/layout.py:2: rack.layout may not import controller")


def test_import_of_a_subpackage_is_checked(tmp_path: Path) -> None:
    write_module(tmp_path, "controller/auth/users.py", "from controller.web.api import x\n")
    write_module(tmp_path, "controller/web/api.py", "from controller.auth.users import x\n")
    [error] = forbidden_imports(tmp_path)
    assert "controller.auth.users may not import controller.web" in error


def test_only_the_driver_of_the_relays_may_import_gpiozero(tmp_path: Path) -> None:
    write_module(tmp_path, "rack/power/drivers/gpio.py", "import gpiozero\n")
    write_module(tmp_path, "rack/inventory.py", "from gpiozero import LED\n")
    write_module(tmp_path, "controller/web/api.py", "import gpiozero\n")
    assert [error.partition(":")[0] for error in forbidden_imports(tmp_path)] == [
        "rack/inventory.py",
        "controller/web/api.py",
    ]


def test_imports_inside_a_package_are_allowed(tmp_path: Path) -> None:
    text = "import os.path\nfrom rack import targets\nfrom . import x\n"
    write_module(tmp_path, "rack/sub/layout.py", text)
    assert forbidden_imports(tmp_path) == []


def test_import_cycle_of_subpackages_and_modules_is_reported(tmp_path: Path) -> None:
    write_module(tmp_path, "controller/audit.py", "from controller.auth import roles\n")
    write_module(tmp_path, "controller/auth/roles.py", "from controller.errors import x\n")
    assert import_cycle(tmp_path) == []
    write_module(tmp_path, "controller/auth/roles.py", "from controller.audit import x\n")
    assert set(import_cycle(tmp_path)) == {"controller.audit", "controller.auth"}
