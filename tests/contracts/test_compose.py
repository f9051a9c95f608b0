"""What can be said of docker-compose.yml and deploy/Dockerfile without an engine."""

import json
import re
import subprocess
import tomllib
from importlib import resources
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from controller.command_line.arguments import build_parser as controller_parser
from grafana.__main__ import _parser as grafana_parser
from tools.programs import find
from virtual_rack.command_line import build_parser as virtual_rack_parser
from virtual_rack.demo import config

ROOT = Path(__file__).parents[2]
COMPOSE_TEXT = (ROOT / "docker-compose.yml").read_text()
DOCKERFILE = (ROOT / "deploy" / "Dockerfile").read_text()

# A setting and what holds where it is not set.
SETTING = re.compile(r"\$\{(?P<name>\w+):-(?P<default>[^}]*)\}")

COMPOSE: dict[str, Any] = yaml.safe_load(SETTING.sub(r"\g<default>", COMPOSE_TEXT))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]

OUR_PARSERS = {
    "controller": controller_parser,
    "grafana": grafana_parser,
    "virtual_rack": virtual_rack_parser,
}
THIRD_PARTY_PROGRAMS = {
    f"{way}{service}": program
    for service, program in (
        ("prometheus", "prometheus"),
        ("alertmanager", "alertmanager"),
        ("blackbox", "blackbox_exporter"),
    )
    for way in ("", "master-")
}

# What does its work and ends.
ONE_SHOT_SERVICES = {"dashboards", "master-dashboards"}

# What does nothing itself.
PLACEHOLDER_SERVICES = {"network", "master"}

# A real rack's, which only `docker compose up master` starts, and the virtual one's.
MASTER_SERVICES = {
    name for name, service in SERVICES.items() if service.get("profiles") == ["master"]
}
VIRTUAL_SERVICES = SERVICES.keys() - MASTER_SERVICES

# Of the machine itself.
HOST_FOLDERS = {"/etc/dhcp/pirack", "/var/log/pirack-dhcpd"}

each_service = pytest.mark.parametrize("name", SERVICES)


def command_of(name: str) -> list[str]:
    command: list[str] = SERVICES[name]["command"]
    return command


def options_of(name: str) -> dict[str, str]:
    pairs = (word.partition("=") for word in command_of(name) if word.startswith("--"))
    return {flag: value for flag, _, value in pairs}


def mounts_of(name: str) -> dict[str, str]:
    """Where each volume or path of the machine is mounted, by the place in the container."""
    return {
        target: source
        for source, target, *_ in (each.split(":") for each in SERVICES[name].get("volumes", []))
    }


def test_the_compose_specification_allows_every_line() -> None:
    folder = resources.files("check_jsonschema.builtin_schemas.vendor")
    jsonschema.validate(COMPOSE, json.loads((folder / "compose-spec.json").read_text()))


def test_every_file_and_folder_that_is_mounted_is_there() -> None:
    sources = {source for name in SERVICES for source in mounts_of(name).values()}
    paths = {source for source in sources if source.startswith(".")}
    assert paths
    assert [path for path in paths if not (ROOT / path).exists()] == []
    assert sources - paths - HOST_FOLDERS == set(COMPOSE["volumes"])


def test_nothing_of_the_repository_can_be_written() -> None:
    for name, service in SERVICES.items():
        for volume in service.get("volumes", []):
            assert not volume.startswith(".") or volume.endswith(":ro"), (name, volume)


def test_one_container_owns_the_network_and_publishes_on_loopback_alone() -> None:
    for name in VIRTUAL_SERVICES:
        service = SERVICES[name]
        if name == "network":
            assert [port for port in service["ports"] if not port.startswith("127.0.0.1:")] == []
        else:
            assert service["network_mode"] == "service:network"
            assert "ports" not in service


def test_on_a_master_nothing_listens_beyond_loopback() -> None:
    for name in MASTER_SERVICES:
        assert SERVICES[name]["network_mode"] in {"host", "none"}
        assert "ports" not in SERVICES[name]
    own = controller_parser().parse_args(command_of("master-controller")[1:])
    assert own.listen.startswith("127.0.0.1:")
    for name in THIRD_PARTY_PROGRAMS:
        if name in MASTER_SERVICES:
            assert options_of(name)["--web.listen-address"].startswith("127.0.0.1:")
    assert SERVICES["master-grafana"]["environment"]["GF_SERVER_HTTP_ADDR"] == "127.0.0.1"


def test_one_word_starts_a_master_and_nothing_of_the_virtual_rack() -> None:
    started: set[str] = set()
    waiting = {"master"}
    while waiting:
        name = waiting.pop()
        started.add(name)
        waiting |= set(SERVICES[name].get("depends_on", ())) - started
    assert started == MASTER_SERVICES
    assert {
        need for name in VIRTUAL_SERVICES for need in SERVICES[name].get("depends_on", ())
    } <= VIRTUAL_SERVICES


def test_both_ways_run_the_same_images() -> None:
    for name in VIRTUAL_SERVICES & {name.removeprefix("master-") for name in MASTER_SERVICES}:
        assert SERVICES[name]["image"] == SERVICES[f"master-{name}"]["image"]


def test_every_published_port_is_one_that_something_listens_on() -> None:
    published = {port.rsplit(":", 1)[1] for port in SERVICES["network"]["ports"]}
    grafana = SERVICES["grafana"]["healthcheck"]["test"][-1]
    listens = {
        options_of("controller")["--listen"],
        options_of("prometheus")["--web.listen-address"],
        options_of("alertmanager")["--web.listen-address"],
        grafana.removeprefix("http://").partition("/")[0],
    }
    assert {address.rsplit(":", 1)[1] for address in listens} == published


@each_service
def test_every_image_has_an_exact_version(name: str) -> None:
    image = SERVICES[name]["image"]
    assert image == "pirack" or re.fullmatch(r"[\w./-]+:v?\d+\.\d+\.\d+", image)


def test_the_dockerfile_builds_on_an_exact_version() -> None:
    bases = re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)
    assert len(set(bases)) == 1
    assert re.fullmatch(r"python:\d+\.\d+\.\d+-slim-\w+", bases[0])


def test_our_image_is_built_once_and_never_fetched() -> None:
    ours = {name for name, service in SERVICES.items() if service["image"] == "pirack"}
    builders = {"network", "master-controller"}  # one of either way
    assert {name for name in ours if "build" in SERVICES[name]} == builders
    assert {SERVICES[name]["pull_policy"] for name in ours - builders} == {"never"}
    build = SERVICES["network"]["build"]
    assert (ROOT / build["context"] / build["dockerfile"]).is_file()


@each_service
def test_a_container_has_no_privilege_and_writes_nothing_but_its_volumes(name: str) -> None:
    service = SERVICES[name]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["read_only"] is True
    assert not {"cap_add", "privileged", "pid", "ipc"} & service.keys()
    has_pins = {"devices", "group_add"} <= service.keys()
    assert has_pins == (name == "master-controller")
    assert service["restart"] == ("on-failure" if name in ONE_SHOT_SERVICES else "unless-stopped")


@each_service
def test_no_container_runs_as_root(name: str) -> None:
    service = SERVICES[name]
    if service["image"] == "pirack":
        assert "user" not in service
        assert re.findall(r"^USER (\w+)$", DOCKERFILE, re.MULTILINE) == ["pirack"]
    else:
        assert int(service["user"].partition(":")[0]) > 0


def test_every_service_that_serves_has_a_health_check() -> None:
    with_one = {
        name for name, service in SERVICES.items() if "test" in service.get("healthcheck", {})
    }
    assert (
        with_one | {"controller", "master-controller"}
        == set(SERVICES) - PLACEHOLDER_SERVICES - ONE_SHOT_SERVICES
    )
    assert "HEALTHCHECK" in DOCKERFILE  # the controller's


def test_grafana_has_no_password_and_lets_nobody_change_anything() -> None:
    environment = SERVICES["grafana"]["environment"]
    assert environment.items() <= SERVICES["master-grafana"]["environment"].items()
    assert environment["GF_AUTH_ANONYMOUS_ORG_ROLE"] == "Viewer"
    assert environment["GF_SECURITY_DISABLE_INITIAL_ADMIN_CREATION"] == "true"
    assert environment["GF_AUTH_DISABLE_LOGIN_FORM"] == "true"
    assert environment["GF_AUTH_BASIC_ENABLED"] == "false"
    assert "PASSWORD" not in COMPOSE_TEXT.upper().replace("NO PASSWORD", "")


def test_grafana_is_as_closed_in_the_demo_and_on_a_master_without_containers() -> None:
    conf = (ROOT / "deploy" / "master" / "grafana-server.conf").read_text()
    in_containers = SERVICES["grafana"]["environment"]
    of_whom = ("GF_AUTH_", "GF_SECURITY_", "GF_ANALYTICS_", "GF_NEWS_", "GF_PLUGINS_")
    wanted = {name: value for name, value in in_containers.items() if name.startswith(of_whom)}
    assert (
        wanted.items() <= dict(re.findall(r"^Environment=(\w+)=(.*)$", conf, re.MULTILINE)).items()
    )
    assert wanted == config._ANONYMOUS_GRAFANA


def test_grafana_is_told_every_variable_of_its_provisioning() -> None:
    files = (ROOT / "grafana" / "provisioning").rglob("*.yml")
    settings = [line for file in files for line in file.read_text().splitlines() if "#" not in line]
    wanted = set(re.findall(r"\$(\w+)", "\n".join(settings)))
    assert wanted == {"PROMETHEUS_URL", "GF_PATHS_PROVISIONING"}
    assert wanted <= SERVICES["grafana"]["environment"].keys()


def test_grafana_finds_its_files_where_they_are_mounted() -> None:
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
    for way in ("", "master-"):
        made = mounts_of(f"{way}grafana")[str(Path(provisioning).parent / "dashboards")]
        dashboards = f"{way}dashboards"
        assert mounts_of(dashboards)[options_of(dashboards)["--output"]] == made
        assert SERVICES[f"{way}grafana"]["depends_on"] == {
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
def test_our_programs_know_their_command_line(name: str, module: str) -> None:
    assert command_of(name)[0] == module
    OUR_PARSERS[module]().parse_args(command_of(name)[1:])


def test_the_virtual_racks_health_check_is_a_command_it_knows() -> None:
    python, dash_m, module, *arguments = SERVICES["virtual-rack"]["healthcheck"]["test"][1:]
    assert [python, dash_m, module] == ["python", "-m", "virtual_rack"]
    virtual_rack_parser().parse_args(arguments)


@pytest.mark.parametrize("name", THIRD_PARTY_PROGRAMS)
def test_the_other_programs_know_their_flags(name: str) -> None:
    program = find(THIRD_PARTY_PROGRAMS[name])
    told = subprocess.run(
        [program.path, "--help"],
        env=program.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=30,
        check=False,
    ).stdout
    known = set(re.findall(r"--(?:\[no-\])?([\w.-]+)", told))
    assert {flag.removeprefix("--") for flag in options_of(name)} <= known


@pytest.mark.parametrize("name", THIRD_PARTY_PROGRAMS)
def test_a_configuration_file_is_where_its_program_looks(name: str) -> None:
    assert options_of(name)["--config.file"] in mounts_of(name)


@pytest.mark.parametrize("way", ["", "master-"])
def test_prometheus_finds_rules_and_targets_beside_its_configuration(way: str) -> None:
    prometheus, controller = f"{way}prometheus", f"{way}controller"
    beside = Path(options_of(prometheus)["--config.file"]).parent
    assert mounts_of(prometheus)[str(beside / "rules")] == "./prometheus/rules"
    targets = mounts_of(prometheus)[str(beside / "targets")]
    assert mounts_of(controller)[options_of(controller)["--targets"]] == targets


@pytest.mark.parametrize("way", ["", "master-"])
def test_alertmanager_reads_the_secret_that_the_controller_makes(way: str) -> None:
    alertmanager, controller = f"{way}alertmanager", f"{way}controller"
    secret = Path(options_of(controller)["--alerts-secret"])
    beside = Path(options_of(alertmanager)["--config.file"]).parent / "secrets"
    assert secret.name == "alerts"  # `secrets/alerts` in alertmanager.yml
    assert mounts_of(controller)[str(secret.parent)] == mounts_of(alertmanager)[str(beside)]
    assert SERVICES[alertmanager]["group_add"] == re.findall(r"--uid (\d+)", DOCKERFILE)
    assert controller in SERVICES[alertmanager]["depends_on"]


def listen_port(name: str) -> str:
    """The port that one of the other programs listens on."""
    return options_of(name)["--web.listen-address"].rsplit(":", 1)[1]


@pytest.mark.parametrize("name", THIRD_PARTY_PROGRAMS)
def test_whoever_asks_a_program_asks_where_it_listens(name: str) -> None:
    controller = "master-controller" if name in MASTER_SERVICES else "controller"
    asked = vars(controller_parser().parse_args(command_of(controller)[1:]))
    service = name.removeprefix("master-")
    assert asked[service].removeprefix("http://") == f"127.0.0.1:{listen_port(name)}"
    health = SERVICES[name]["healthcheck"]["test"][-1]
    assert health.startswith(f"http://127.0.0.1:{listen_port(name)}/")


def test_the_controller_of_a_master_writes_what_its_machines_dhcp_server_reads() -> None:
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


def test_grafana_asks_prometheus_where_it_listens() -> None:
    asked = SERVICES["grafana"]["environment"]["PROMETHEUS_URL"]
    assert asked == f"http://127.0.0.1:{listen_port('prometheus')}"


def test_pages_and_dashboards_lead_to_each_other_by_the_ports_that_are_published() -> None:
    published = [port.rsplit(":", 1)[0] for port in SERVICES["network"]["ports"]]
    assert options_of("controller")["--grafana"].removeprefix("http://") in published
    assert options_of("dashboards")["--controller"].removeprefix("http://") in published
    assert (
        mounts_of("dashboards")[options_of("dashboards")["--rack"]]
        == mounts_of("controller")[options_of("controller")["--rack"]]
    )


def test_the_controller_reads_the_inventory_that_the_virtual_rack_writes() -> None:
    state = command_of("virtual-rack")[command_of("virtual-rack").index("--state") + 1]
    database = Path(options_of("controller")["--db"])
    assert (str(database.parent), database.name) == (state, "pirack.db")
    assert mounts_of("virtual-rack")[state] == mounts_of("controller")[state]


def test_the_controller_finds_the_virtual_racks_pins() -> None:
    state = command_of("virtual-rack")[command_of("virtual-rack").index("--state") + 1]
    assert SERVICES["controller"]["environment"] == {
        "GPIOZERO_PIN_FACTORY": "virtual_rack",
        "PIRACK_VIRTUAL_RACK": state,
    }
    assert "--editable ." in DOCKERFILE  # the entry points of pin factories are in its metadata


def test_every_setting_is_in_the_example_with_what_holds_without_it() -> None:
    used = {match["name"]: match["default"] for match in SETTING.finditer(COMPOSE_TEXT)}
    lines = (ROOT / ".env.example").read_text().splitlines()
    shown = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
    assert shown == used


def test_the_image_has_every_package_and_its_locked_dependencies() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    packages = project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    copied = re.findall(r"^COPY (\S+) \1$", DOCKERFILE, re.MULTILINE)
    assert copied == packages
    allowed = (ROOT / ".dockerignore").read_text().splitlines()
    shipped = ["requirements/master.lock", "pyproject.toml", "README.md", "LICENSE", *packages]
    assert [line for line in allowed if line.startswith("!")] == [f"!{path}" for path in shipped]
    assert "--require-hashes" in DOCKERFILE
