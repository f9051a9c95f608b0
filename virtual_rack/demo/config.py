"""What a demo is made of: which programs, with what, and where each of them listens."""

import logging
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from grafana.generator import write_dashboards as write_dashboards
from rack.layout_file import load
from tools import programs
from virtual_rack.demo.layout import write_layout
from virtual_rack.demo.processes import ProcessSpec
from virtual_rack.demo.speed_up import shorten_durations
from virtual_rack.loopback import PING_PORT
from virtual_rack.ssh_servers import SSH_PORT

_log = logging.getLogger(__name__)

_SPEED_UP_FACTOR = 6
_REPOSITORY = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class DemoConfig:
    """Where everything is. `network` is the first two octets of the rasps' addresses.

    `source_layout` is the layout that the demo was started with; `state` is the folder of all that it
    writes; the ports are TCP's.
    """

    source_layout: Path
    state: Path
    network: str
    exporter_port: int
    controller_port: int
    prometheus_port: int
    blackbox_port: int
    grafana_port: int
    alertmanager_port: int

    @property
    def layout_file(self) -> Path:
        """The layout on the demo's own network."""
        return self.state / "rack.toml"

    @property
    def dhcp_folder(self) -> Path:
        """The folder of a DHCP server that is a log alone."""
        return self.state / "dhcpd"

    @property
    def controller_url(self) -> str:
        """The rack page."""
        return f"http://127.0.0.1:{self.controller_port}"

    @property
    def grafana_url(self) -> str:
        """Grafana, where the machine has it."""
        return f"http://127.0.0.1:{self.grafana_port}"

    @property
    def database(self) -> Path:
        """The controller's."""
        return self.state / "pirack.db"

    def log_file(self, name: str) -> Path:
        """Return the log file of one of the programs."""
        return self.state / "logs" / f"{name}.log"

    @property
    def listen_addresses(self) -> Mapping[str, tuple[str, int]]:
        """The addresses and ports that must be free, by who wants them."""
        return {
            "controller": ("127.0.0.1", self.controller_port),
            "Prometheus": ("127.0.0.1", self.prometheus_port),
            "blackbox_exporter": ("127.0.0.1", self.blackbox_port),
            "Alertmanager": ("127.0.0.1", self.alertmanager_port),
            "virtual rack": (f"{self.network}.1.1", PING_PORT),
        }


def make_config(layout_file: Path, port_base: int | None) -> DemoConfig:
    """Return where a demo is to be; one with a `port_base` can run beside one without.

    Raises:
        LayoutError: `layout_file` is no rack.toml that can be used.
    """
    exporter = load(layout_file).network.exporter_port
    if port_base is None:
        return DemoConfig(
            layout_file, Path(".demo"), "127.23", exporter, 8080, 9090, 9115, 3000, 9093
        )
    # Another /16 of loopback for each base, 127.24 to 127.222; 199 is a prime, so that bases which
    # are multiples of ten differ here, too.
    network = f"127.{24 + port_base % 199}"
    ports = range(port_base, port_base + 5)
    return DemoConfig(layout_file, Path(f".demo-{port_base}"), network, exporter, *ports)


def write_files(config: DemoConfig) -> None:
    """Write the demo's layout, and make the folders for Prometheus and Grafana.

    In them is the project's own configuration, and no readings. Alerts come six times faster than
    on a real rack. Grafana's dashboards are those of this rack, and their links lead to this
    controller.
    """
    folder, grafana = config.state / "prometheus", config.state / "grafana"
    # An earlier demo's readings would mix with this one's, and its last words with its logs.
    # Its DHCP server knows rasps in slots that this one's people have not chosen.
    for old in (folder, grafana, config.dhcp_folder, config.log_file("any").parent):
        shutil.rmtree(old, ignore_errors=True)
    config.state.mkdir(parents=True, exist_ok=True)
    write_layout(config.source_layout, config.layout_file, config.network)
    shutil.copytree(_REPOSITORY / "prometheus", folder)
    (folder / "targets").mkdir(exist_ok=True)
    for file in (folder / "alertmanager.yml", *folder.glob("rules/*.yml")):
        text = file.read_text(encoding="utf-8").replace(
            "http://127.0.0.1:8080/", f"{config.controller_url}/"
        )
        file.write_text(shorten_durations(text, _SPEED_UP_FACTOR), encoding="utf-8")
    shutil.copytree(_REPOSITORY / "grafana" / "provisioning", grafana / "provisioning")
    write_dashboards(load(config.layout_file), config.controller_url, grafana / "dashboards")


def process_specs(config: DemoConfig) -> list[ProcessSpec]:
    """Return the demo's programs.

    Raises:
        ProgramError: one is not on this machine and cannot be fetched.
    """
    return [
        _virtual_rack(config),
        _controller(config),
        _prometheus(config),
        _blackbox(config),
        *_alertmanager(config),
        *_grafana(config),
    ]


def _virtual_rack(config: DemoConfig) -> ProcessSpec:
    return ProcessSpec(
        "virtual rack",
        [
            *(sys.executable, "-m", "virtual_rack", "run"),
            *(
                "--rack",
                str(config.layout_file),
                "--state",
                str(config.state),
                "--network",
                config.network,
            ),
        ],
        config.log_file("virtual_rack"),
        ready_url=f"http://{config.network}.1.1:{config.exporter_port}/metrics",
    )


def _controller(config: DemoConfig) -> ProcessSpec:
    return ProcessSpec(
        "controller",
        [
            *(sys.executable, "-m", "controller"),
            *("--rack", str(config.layout_file), "--db", str(config.database)),
            *("--targets", str(config.state / "prometheus" / "targets")),
            *("--alerts-secret", str(config.state / "prometheus" / "secrets" / "alerts")),
            *("--listen", f"127.0.0.1:{config.controller_port}"),
            *("--prometheus", f"http://127.0.0.1:{config.prometheus_port}"),
            *("--blackbox", f"127.0.0.1:{config.blackbox_port}"),
            *("--alertmanager", f"127.0.0.1:{config.alertmanager_port}"),
            *("--ping", f"tcp:{PING_PORT}", "--ssh-port", str(SSH_PORT)),
            *("--anonymous", "viewer"),
            *("--dhcpd-conf", str(config.dhcp_folder / "dhcpd.conf"), "--dhcp-server", "watching"),
            *("--dhcp-log", f"file:{config.dhcp_folder / 'dhcpd.log'}"),
            *(["--grafana", config.grafana_url] if _grafana_executable() else []),
        ],
        config.log_file("controller"),
        ready_url=f"{config.controller_url}/healthz",
        extra_environment={
            "GPIOZERO_PIN_FACTORY": "virtual_rack",
            "PIRACK_VIRTUAL_RACK": str(config.state),
        },
    )


def _prometheus(config: DemoConfig) -> ProcessSpec:
    program = programs.find("prometheus")
    url = f"http://127.0.0.1:{config.prometheus_port}"
    return ProcessSpec(
        "Prometheus",
        [
            *program.command,
            f"--config.file={config.state}/prometheus/prometheus.yml",
            f"--storage.tsdb.path={config.state}/prometheus/data",
            f"--web.listen-address=127.0.0.1:{config.prometheus_port}",
            *_web_assets_option(program.path),
        ],
        config.log_file("prometheus"),
        ready_url=f"{url}/-/ready",
        page_url=url,
        extra_environment=program.environment,
    )


def _web_assets_option(prometheus: Path) -> list[str]:
    """Return where Debian's Prometheus finds its pages: they lie beside it, not inside it."""
    assets = prometheus.parents[1] / "share" / "prometheus" / "web"
    return [f"--web.local-assets={assets}"] if assets.is_dir() else []


def _blackbox(config: DemoConfig) -> ProcessSpec:
    program = programs.find("blackbox_exporter")
    return ProcessSpec(
        "blackbox_exporter",
        [
            *program.command,
            f"--config.file={config.state}/prometheus/blackbox.yml",
            f"--web.listen-address=127.0.0.1:{config.blackbox_port}",
        ],
        config.log_file("blackbox_exporter"),
        ready_url=f"http://127.0.0.1:{config.blackbox_port}/-/healthy",
        extra_environment=program.environment,
    )


def _alertmanager(config: DemoConfig) -> list[ProcessSpec]:
    """Return Alertmanager where the machine lets it run; the rack can be seen without it, too."""
    try:
        program = programs.find("alertmanager")
    except programs.ProgramError as error:
        _log.warning("Going on without Alertmanager: %s", error)
        return []
    url = f"http://127.0.0.1:{config.alertmanager_port}"
    return [
        ProcessSpec(
            "Alertmanager",
            [
                *program.command,
                f"--config.file={config.state}/prometheus/alertmanager.yml",
                f"--storage.path={config.state}/prometheus/alertmanager",
                f"--web.listen-address=127.0.0.1:{config.alertmanager_port}",
                "--cluster.listen-address=",
            ],
            config.log_file("alertmanager"),
            ready_url=f"{url}/-/ready",
            page_url=url,
            extra_environment=program.environment,
        )
    ]


# As in docker-compose.yml: no user and no password, and nothing is asked of the internet.
_ANONYMOUS_GRAFANA = {
    "GF_AUTH_ANONYMOUS_ENABLED": "true",
    "GF_AUTH_ANONYMOUS_ORG_ROLE": "Viewer",
    "GF_AUTH_BASIC_ENABLED": "false",
    "GF_AUTH_DISABLE_LOGIN_FORM": "true",
    "GF_SECURITY_DISABLE_INITIAL_ADMIN_CREATION": "true",
    "GF_ANALYTICS_CHECK_FOR_PLUGIN_UPDATES": "false",
    "GF_ANALYTICS_CHECK_FOR_UPDATES": "false",
    "GF_ANALYTICS_REPORTING_ENABLED": "false",
    "GF_NEWS_NEWS_FEED_ENABLED": "false",
    "GF_PLUGINS_PREINSTALL_DISABLED": "true",
}


def _grafana(config: DemoConfig) -> list[ProcessSpec]:
    """Return Grafana where the machine has it: it is not in Debian, so it is not fetched."""
    grafana, url = _grafana_executable(), config.grafana_url
    if grafana is None:
        return []
    return [
        ProcessSpec(
            "Grafana",
            [grafana, "server", "--homepath", str(_grafana_home(Path(grafana)))],
            config.log_file("grafana"),
            ready_url=f"{url}/api/health",
            page_url=url,
            extra_environment={
                **_ANONYMOUS_GRAFANA,
                "GF_PATHS_DATA": str(config.state.resolve() / "grafana" / "data"),
                "GF_PATHS_PROVISIONING": str(config.state.resolve() / "grafana" / "provisioning"),
                "GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH": str(
                    config.state.resolve() / "grafana" / "dashboards" / "pirack-rack.json"
                ),
                "GF_SERVER_HTTP_ADDR": "127.0.0.1",
                "GF_SERVER_HTTP_PORT": str(config.grafana_port),
                "PROMETHEUS_URL": f"http://127.0.0.1:{config.prometheus_port}",
            },
        )
    ]


def _grafana_executable() -> str | None:
    return shutil.which("grafana")


def _grafana_home(grafana: Path) -> Path:
    """Return the folder of Grafana's own files: beside an unpacked release, or the package's."""
    unpacked = grafana.resolve().parent.parent
    return unpacked if (unpacked / "conf").is_dir() else Path("/usr/share/grafana")
