"""Checks of docker-compose.yml and deploy/Dockerfile without a container engine."""

import json
import re
import subprocess
import tomllib
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from controller.__main__ import controller
from controller.alerts.secret import WEB_CONFIG
from grafana.__main__ import _parser as grafana_parser
from rack.gpio.client import SOCKET
from tests.helpers.click_commands import parse_command
from tests.helpers.waiting import TIMEOUT_SECONDS
from tools.programs import find
from virtual_rack.command_line import build_parser as virtual_rack_parser
from virtual_rack.demo import services

ROOT = Path(__file__).parents[2]
COMPOSE_TEXT = (ROOT / "docker-compose.yml").read_text()
DOCKERFILE = (ROOT / "deploy" / "Dockerfile").read_text()

# A setting and its default.
SETTING = re.compile(r"\$\{(?P<name>\w+):-(?P<default>[^}]*)\}")

COMPOSE: dict[str, Any] = yaml.safe_load(SETTING.sub(r"\g<default>", COMPOSE_TEXT))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]

PARSERS: dict[str, Callable[[list[str]], object]] = {
    "controller": lambda arguments: parse_command(controller, arguments),
    "grafana": lambda arguments: grafana_parser().parse_args(arguments),
    "virtual_rack": lambda arguments: virtual_rack_parser().parse_args(arguments),
}
THIRD_PARTY_PROGRAMS = {
    f"{prefix}{service}": program
    for service, program in (
        ("prometheus", "prometheus"),
        ("alertmanager", "alertmanager"),
        ("blackbox", "blackbox_exporter"),
    )
    for prefix in ("", "master-")
}

# Services that finish.
ONE_SHOT_SERVICES = {"dashboards", "master-dashboards"}

# Services that only sleep.
PLACEHOLDER_SERVICES = {"network", "master"}

# Services of a real rack, which only `docker compose up master` starts, and services of a virtual
# rack.
MASTER_SERVICES = {
    name for name, service in SERVICES.items() if service.get("profiles") == ["master"]
}
VIRTUAL_SERVICES = SERVICES.keys() - MASTER_SERVICES

# Folders of the host that containers mount.
HOST_FOLDERS = {"/etc/dhcp/pirack", "/var/log/pirack-dhcpd"}

each_service = pytest.mark.parametrize("name", SERVICES)


def command_of(name: str) -> list[str]:
    command: list[str] = SERVICES[name]["command"]
    return command


def options_of(name: str) -> dict[str, str]:
    pairs = (word.partition("=") for word in command_of(name) if word.startswith("--"))
    return {flag: value for flag, _, value in pairs}


def mounts_of(name: str) -> dict[str, str]:
    """Return the mounted volumes and host paths, keyed by the path in the container."""
    return {
        target: source
        for source, target, *_ in (
            volume.split(":") for volume in SERVICES[name].get("volumes", [])
        )
    }


def test_compose_file_conforms_to_the_specification() -> None:
    folder = resources.files("check_jsonschema.builtin_schemas.vendor")
    jsonschema.validate(COMPOSE, json.loads((folder / "compose-spec.json").read_text()))


def test_mounted_paths_exist() -> None:
    sources = {source for name in SERVICES for source in mounts_of(name).values()}
    paths = {source for source in sources if source.startswith(".")}
    assert paths
    assert [path for path in paths if not (ROOT / path).exists()] == []
    assert sources - paths - HOST_FOLDERS == set(COMPOSE["volumes"])


def test_repository_is_mounted_read_only() -> None:
    for name, service in SERVICES.items():
        for volume in service.get("volumes", []):
            assert not volume.startswith(".") or volume.endswith(":ro"), (name, volume)


def test_only_one_container_publishes_ports_and_only_on_loopback() -> None:
    for name in VIRTUAL_SERVICES:
        service = SERVICES[name]
        if name == "network":
            assert [port for port in service["ports"] if not port.startswith("127.0.0.1:")] == []
        else:
            assert service["network_mode"] == "service:network"
            assert "ports" not in service


def test_services_of_a_master_listen_on_loopback_only() -> None:
    for name in MASTER_SERVICES:
        assert SERVICES[name]["network_mode"] in {"host", "none"}
        assert "ports" not in SERVICES[name]
    options = parse_command(controller, command_of("master-controller")[1:]).params
    assert options["listen"].startswith("127.0.0.1:")
    for name in THIRD_PARTY_PROGRAMS:
        if name in MASTER_SERVICES:
            assert options_of(name)["--web.listen-address"].startswith("127.0.0.1:")
    assert SERVICES["master-grafana"]["environment"]["GF_SERVER_HTTP_ADDR"] == "127.0.0.1"


def test_master_service_starts_all_master_services_and_no_virtual_rack() -> None:
    started: set[str] = set()
    pending = {"master"}
    while pending:
        name = pending.pop()
        started.add(name)
        pending |= set(SERVICES[name].get("depends_on", ())) - started
    assert started == MASTER_SERVICES
    assert {
        dependency
        for name in VIRTUAL_SERVICES
        for dependency in SERVICES[name].get("depends_on", ())
    } <= VIRTUAL_SERVICES


def test_master_and_virtual_rack_use_the_same_images() -> None:
    for name in VIRTUAL_SERVICES & {name.removeprefix("master-") for name in MASTER_SERVICES}:
        assert SERVICES[name]["image"] == SERVICES[f"master-{name}"]["image"]


def test_published_ports_are_the_ports_of_services() -> None:
    published = {port.rsplit(":", 1)[1] for port in SERVICES["network"]["ports"]}
    grafana = SERVICES["grafana"]["healthcheck"]["test"][-1]
    addresses = {
        options_of("controller")["--listen"],
        options_of("prometheus")["--web.listen-address"],
        grafana.removeprefix("http://").partition("/")[0],
    }
    assert {address.rsplit(":", 1)[1] for address in addresses} == published


@each_service
def test_every_image_has_an_exact_version(name: str) -> None:
    image = SERVICES[name]["image"]
    assert image == "pirack" or re.fullmatch(r"[\w./-]+:v?\d+\.\d+\.\d+", image)


def test_dockerfile_uses_exact_versions_of_base_images() -> None:
    bases = re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)
    assert len(set(bases)) == 1
    assert re.fullmatch(r"python:\d+\.\d+\.\d+-slim-\w+", bases[0])


def test_pirack_image_is_built_and_never_pulled() -> None:
    own = {name for name, service in SERVICES.items() if service["image"] == "pirack"}
    builders = {"network", "master-controller"}  # one of each kind
    assert {name for name in own if "build" in SERVICES[name]} == builders
    assert {SERVICES[name]["pull_policy"] for name in own - builders} == {"never"}
    build = SERVICES["network"]["build"]
    assert (ROOT / build["context"] / build["dockerfile"]).is_file()


@each_service
def test_container_has_no_privileges_and_a_read_only_file_system(name: str) -> None:
    service = SERVICES[name]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["read_only"] is True
    assert not {"cap_add", "privileged", "pid", "ipc"} & service.keys()
    has_pins = {"devices", "group_add"} <= service.keys()
    assert has_pins == (name == "master-relays")
    assert service["restart"] == ("on-failure" if name in ONE_SHOT_SERVICES else "unless-stopped")


@each_service
def test_container_does_not_run_as_root(name: str) -> None:
    service = SERVICES[name]
    if service["image"] == "pirack":
        assert "user" not in service
        assert re.findall(r"^USER (\w+)$", DOCKERFILE, re.MULTILINE) == ["pirack"]
    else:
        assert int(service["user"].partition(":")[0]) > 0


def test_every_server_has_a_health_check() -> None:
    checked = {
        name for name, service in SERVICES.items() if "test" in service.get("healthcheck", {})
    }
    assert (
        checked | {"controller", "master-controller"}
        == set(SERVICES) - PLACEHOLDER_SERVICES - ONE_SHOT_SERVICES
    )
    assert "HEALTHCHECK" in DOCKERFILE  # of the controller


def test_grafana_has_no_password_and_is_read_only() -> None:
    environment = SERVICES["grafana"]["environment"]
    assert environment.items() <= SERVICES["master-grafana"]["environment"].items()
    assert environment["GF_AUTH_ANONYMOUS_ORG_ROLE"] == "Viewer"
    assert environment["GF_SECURITY_DISABLE_INITIAL_ADMIN_CREATION"] == "true"
    assert environment["GF_AUTH_DISABLE_LOGIN_FORM"] == "true"
    assert environment["GF_AUTH_BASIC_ENABLED"] == "false"
    assert "PASSWORD" not in COMPOSE_TEXT.upper().replace("NO PASSWORD", "")


def test_grafana_has_the_same_configuration_in_all_installations() -> None:
    conf = (ROOT / "deploy" / "master" / "grafana-server.conf").read_text()
    environment = SERVICES["grafana"]["environment"]
    prefixes = ("GF_AUTH_", "GF_SECURITY_", "GF_ANALYTICS_", "GF_NEWS_", "GF_PLUGINS_")
    settings = {name: value for name, value in environment.items() if name.startswith(prefixes)}
    in_unit = dict(re.findall(r"^Environment=(\w+)=(.*)$", conf, re.MULTILINE))
    assert settings.items() <= in_unit.items()
    assert settings == services._ANONYMOUS_GRAFANA


def test_grafana_has_all_variables_of_its_provisioning() -> None:
    files = (ROOT / "grafana" / "provisioning").rglob("*.yml")
    lines = [line for file in files for line in file.read_text().splitlines() if "#" not in line]
    variables = set(re.findall(r"\$(\w+)", "\n".join(lines)))
    assert variables == {"PROMETHEUS_URL", "GF_PATHS_PROVISIONING"}
    assert variables <= SERVICES["grafana"]["environment"].keys()


def test_grafana_files_are_mounted_at_the_configured_paths() -> None:
    provisioning = SERVICES["grafana"]["environment"]["GF_PATHS_PROVISIONING"]
    [provider] = yaml.safe_load(
        (ROOT / "grafana" / "provisioning" / "dashboards" / "pirack.yml").read_text()
    )["providers"]
    folder = provider["options"]["path"].replace("$GF_PATHS_PROVISIONING", provisioning)
    home = Path(SERVICES["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"])
    assert home.parent == Path(provisioning).parent / "dashboards"
    assert (ROOT / "grafana" / "dashboards" / home.name).is_file()
    mounted = mounts_of("grafana")
    assert mounted[provisioning] == "./grafana/provisioning"
    for prefix in ("", "master-"):
        generated = mounts_of(f"{prefix}grafana")[str(Path(provisioning).parent / "dashboards")]
        dashboards = f"{prefix}dashboards"
        assert mounts_of(dashboards)[options_of(dashboards)["--output"]] == generated
        assert SERVICES[f"{prefix}grafana"]["depends_on"] == {
            dashboards: {"condition": "service_completed_successfully"}
        }
    assert folder == f"{provisioning}/../dashboards"


@pytest.mark.parametrize(
    ("name", "module"),
    [
        ("virtual-rack", "virtual_rack"),
        ("controller", "controller"),
        ("dashboards", "grafana"),
        ("master-controller", "controller"),
        ("master-dashboards", "grafana"),
    ],
)
def test_pirack_programs_accept_their_command_lines(name: str, module: str) -> None:
    assert command_of(name)[0] == module
    PARSERS[module](command_of(name)[1:])


def test_controller_of_a_master_uses_the_socket_of_the_relay_holder() -> None:
    assert command_of("master-relays") == ["rack.gpio"]
    folders = [
        mounts_of(name)[str(SOCKET.parent)] for name in ("master-relays", "master-controller")
    ]
    assert folders == ["master-relays"] * 2
    assert f"--mode 700 {SOCKET.parent}\n" in DOCKERFILE
    assert SERVICES["master-controller"]["depends_on"] == {
        "master-relays": {"condition": "service_healthy"}
    }


def test_health_check_of_the_virtual_rack_is_a_valid_command() -> None:
    python, dash_m, module, *arguments = SERVICES["virtual-rack"]["healthcheck"]["test"][1:]
    assert [python, dash_m, module] == ["python", "-m", "virtual_rack"]
    virtual_rack_parser().parse_args(arguments)


@pytest.mark.process
@pytest.mark.parametrize("name", THIRD_PARTY_PROGRAMS)
def test_other_programs_accept_their_flags(name: str) -> None:
    program = find(THIRD_PARTY_PROGRAMS[name])
    help_text = subprocess.run(
        [program.path, "--help"],
        env=program.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=TIMEOUT_SECONDS,
        check=False,
    ).stdout
    known = set(re.findall(r"--(?:\[no-\])?([\w.-]+)", help_text))
    assert {flag.removeprefix("--") for flag in options_of(name)} <= known


@pytest.mark.parametrize("name", THIRD_PARTY_PROGRAMS)
def test_configuration_file_is_mounted(name: str) -> None:
    assert options_of(name)["--config.file"] in mounts_of(name)


@pytest.mark.parametrize("prefix", ["", "master-"])
def test_rules_and_targets_are_mounted_next_to_the_prometheus_configuration(prefix: str) -> None:
    prometheus, controller = f"{prefix}prometheus", f"{prefix}controller"
    folder = Path(options_of(prometheus)["--config.file"]).parent
    assert mounts_of(prometheus)[str(folder / "rules")] == "./prometheus/rules"
    targets = mounts_of(prometheus)[str(folder / "targets")]
    assert mounts_of(controller)[options_of(controller)["--targets"]] == targets


@pytest.mark.parametrize("prefix", ["", "master-"])
def test_alertmanager_reads_the_secret_of_the_controller(prefix: str) -> None:
    alertmanager, controller = f"{prefix}alertmanager", f"{prefix}controller"
    secret = Path(options_of(controller)["--alerts-secret"])
    folder = Path(options_of(alertmanager)["--config.file"]).parent / "secrets"
    assert secret.name == "alerts"  # `secrets/alerts` in alertmanager.yml
    assert mounts_of(controller)[str(secret.parent)] == mounts_of(alertmanager)[str(folder)]
    assert SERVICES[alertmanager]["group_add"] == re.findall(r"--uid (\d+)", DOCKERFILE)
    assert controller in SERVICES[alertmanager]["depends_on"]


@pytest.mark.parametrize("name", sorted(THIRD_PARTY_PROGRAMS))
def test_pages_of_other_sites_cannot_use_a_service(name: str) -> None:
    if THIRD_PARTY_PROGRAMS[name] == "prometheus":
        # Its API is read-only unless one of these options enables more.
        assert options_of(name)["--web.cors.origin"] == "none"
        assert not {"--web.enable-admin-api", "--web.enable-lifecycle"} & options_of(name).keys()
        return
    web_config = Path(options_of(name)["--web.config.file"])
    assert web_config.name == WEB_CONFIG
    secrets = mounts_of(name)[str(web_config.parent)]
    prefix = "master-" if name in MASTER_SERVICES else ""
    assert secrets == mounts_of(f"{prefix}controller")["/etc/pirack/secrets"]
    assert "10001" in SERVICES[name]["group_add"]


def listen_port(name: str) -> str:
    """Return the listen port of another program."""
    return options_of(name)["--web.listen-address"].rsplit(":", 1)[1]


@pytest.mark.parametrize("name", THIRD_PARTY_PROGRAMS)
def test_controller_and_health_check_use_the_listen_port(name: str) -> None:
    client = "master-controller" if name in MASTER_SERVICES else "controller"
    options = parse_command(controller, command_of(client)[1:]).params
    service = name.removeprefix("master-")
    assert options[service].removeprefix("http://") == f"127.0.0.1:{listen_port(name)}"
    health = SERVICES[name]["healthcheck"]["test"][-1]
    assert f"127.0.0.1:{listen_port(name)}/" in health


def test_controller_of_a_master_writes_the_files_of_the_dhcp_server() -> None:
    unit = (ROOT / "deploy" / "dhcpd" / "pirack-dhcpd.service").read_text()
    path = (ROOT / "deploy" / "dhcpd" / "pirack-dhcpd-reload.path").read_text()
    conf, log = (
        options_of("master-controller")["--dhcpd-conf"],
        options_of("master-controller")["--dhcp-log"],
    )
    assert f"-cf {conf} " in unit
    assert f"PathChanged={conf}\n" in path
    assert f"StandardError=append:{log.removeprefix('file:')}\n" in unit
    mounted = mounts_of("master-controller")
    for file in (conf, log.removeprefix("file:")):
        folder = str(Path(file).parent)
        assert mounted[folder] == folder


def test_grafana_uses_the_listen_port_of_prometheus() -> None:
    url = SERVICES["grafana"]["environment"]["PROMETHEUS_URL"]
    assert url == f"http://127.0.0.1:{listen_port('prometheus')}"


def test_links_between_pages_and_dashboards_use_published_ports() -> None:
    published = [port.rsplit(":", 1)[0] for port in SERVICES["network"]["ports"]]
    assert options_of("controller")["--grafana"].removeprefix("http://") in published
    assert options_of("dashboards")["--controller"].removeprefix("http://") in published
    assert (
        mounts_of("dashboards")[options_of("dashboards")["--rack"]]
        == mounts_of("controller")[options_of("controller")["--rack"]]
    )


def test_controller_and_virtual_rack_share_the_database() -> None:
    state = command_of("virtual-rack")[command_of("virtual-rack").index("--state") + 1]
    database = Path(options_of("controller")["--db"])
    assert (str(database.parent), database.name) == (state, "pirack.db")
    assert mounts_of("virtual-rack")[state] == mounts_of("controller")[state]


def test_controller_uses_the_pins_of_the_virtual_rack() -> None:
    state = command_of("virtual-rack")[command_of("virtual-rack").index("--state") + 1]
    assert SERVICES["controller"]["environment"] == {
        "GPIOZERO_PIN_FACTORY": "virtual_rack",
        "PIRACK_VIRTUAL_RACK": state,
    }
    assert "--editable ." in DOCKERFILE  # the entry points of pin factories are in its metadata


def test_example_file_contains_every_setting_with_its_default() -> None:
    used = {match["name"]: match["default"] for match in SETTING.finditer(COMPOSE_TEXT)}
    lines = (ROOT / ".env.example").read_text().splitlines()
    documented = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
    assert documented == used


def test_image_contains_all_packages_and_locked_dependencies() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    packages = project["tool"]["hatch"]["build"]["targets"]["wheel"]["only-include"]
    packages += ["virtual_rack", "tools"]  # only in a checkout and in the image
    copied = re.findall(r"^COPY (\S+) \1$", DOCKERFILE, re.MULTILINE)
    assert copied == packages
    ignore_lines = (ROOT / ".dockerignore").read_text().splitlines()
    included = ["requirements/master.lock", "pyproject.toml", "README.md", "LICENSE", *packages]
    assert [line for line in ignore_lines if line.startswith("!")] == [
        f"!{path}" for path in included
    ]
    assert "--require-hashes" in DOCKERFILE
