"""Configuration of the demo: its files, processes and ports."""

import logging
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from controller.alerts.secret import WEB_CONFIG, load_or_create
from grafana.generator import write_dashboards
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
    """Paths, addresses and ports of a demo.

    Attributes:
        source_layout: Layout file that was passed to the demo.
        state: State folder.
        network: First two octets of the rasps' addresses.
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
        """The layout file with the network of the demo."""
        return self.state / "rack.toml"

    @property
    def dhcp_folder(self) -> Path:
        """The folder of the simulated DHCP server."""
        return self.state / "dhcpd"

    @property
    def alerts_secret(self) -> Path:
        """The secret of the controller, Alertmanager and blackbox_exporter."""
        return self.state / "prometheus" / "secrets" / "alerts"

    @property
    def controller_url(self) -> str:
        """The URL of the controller."""
        return f"http://127.0.0.1:{self.controller_port}"

    @property
    def grafana_url(self) -> str:
        """The URL of Grafana. The demo runs Grafana only if it is installed."""
        return f"http://127.0.0.1:{self.grafana_port}"

    @property
    def database(self) -> Path:
        """The database of the controller."""
        return self.state / "pirack.db"

    def log_file(self, name: str) -> Path:
        """Return the log file of a process."""
        return self.state / "logs" / f"{name}.log"

    @property
    def listen_addresses(self) -> Mapping[str, tuple[str, int]]:
        """For each process, the address and the port that must be free."""
        return {
            "controller": ("127.0.0.1", self.controller_port),
            "Prometheus": ("127.0.0.1", self.prometheus_port),
            "blackbox_exporter": ("127.0.0.1", self.blackbox_port),
            "Alertmanager": ("127.0.0.1", self.alertmanager_port),
            "virtual rack": (f"{self.network}.1.1", PING_PORT),
        }


def make_config(layout_file: Path, port_base: int | None) -> DemoConfig:
    """Return the configuration of a demo. Demos with different `port_base` use different folders.

    Raises:
        LayoutError: If `layout_file` is invalid.
    """
    exporter = load(layout_file).network.exporter_port
    if port_base is None:
        return DemoConfig(
            layout_file, Path(".demo"), "127.23", exporter, 8080, 9090, 9115, 3000, 9093
        )
    # Select a /16 network from 127.24 to 127.222. Bases that are multiples of ten get different
    # networks, because 199 is a prime.
    network = f"127.{24 + port_base % 199}"
    ports = range(port_base, port_base + 5)
    return DemoConfig(layout_file, Path(f".demo-{port_base}"), network, exporter, *ports)


def write_files(config: DemoConfig) -> None:
    """Write the layout and the configuration of Prometheus, Alertmanager and Grafana.

    The durations of alerts are divided by six, compared with a real rack.
    """
    folder, grafana = config.state / "prometheus", config.state / "grafana"
    # Remove samples, logs and leases of earlier runs.
    for outdated in (folder, grafana, config.dhcp_folder, config.log_file("any").parent):
        shutil.rmtree(outdated, ignore_errors=True)
    config.state.mkdir(parents=True, exist_ok=True)
    write_layout(config.source_layout, config.layout_file, config.network)
    shutil.copytree(_REPOSITORY / "prometheus", folder)
    (folder / "targets").mkdir(exist_ok=True)
    load_or_create(config.alerts_secret)  # before the services that require a password start
    for file in (folder / "alertmanager.yml", *folder.glob("rules/*.yml")):
        text = file.read_text(encoding="utf-8").replace(
            "http://127.0.0.1:8080/", f"{config.controller_url}/"
        )
        file.write_text(shorten_durations(text, _SPEED_UP_FACTOR), encoding="utf-8")
    shutil.copytree(_REPOSITORY / "grafana" / "provisioning", grafana / "provisioning")
    write_dashboards(load(config.layout_file), config.controller_url, grafana / "dashboards")


def process_specs(config: DemoConfig) -> list[ProcessSpec]:
    """Return the processes of the demo.

    Raises:
        ProgramError: If a program is not installed and cannot be downloaded.
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
            *("--rack", str(config.layout_file), "--state", str(config.state)),
            *("--network", config.network),
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
            *("--alerts-secret", str(config.alerts_secret)),
            *("--listen", f"127.0.0.1:{config.controller_port}"),
            *("--prometheus", f"http://127.0.0.1:{config.prometheus_port}"),
            *("--blackbox", f"127.0.0.1:{config.blackbox_port}"),
            *("--alertmanager", f"127.0.0.1:{config.alertmanager_port}"),
            *("--ping", f"tcp:{PING_PORT}", "--ssh-port", str(SSH_PORT)),
            *("--anonymous", "viewer"),
            *(
                "--dhcpd-conf",
                str(config.dhcp_folder / "dhcpd.conf"),
                "--dhcp-server",
                "auto-reload",
            ),
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
            "--web.cors.origin=none",
            *_web_assets_option(program.path),
        ],
        config.log_file("prometheus"),
        ready_url=f"{url}/-/ready",
        page_url=url,
        extra_environment=program.environment,
    )


def _web_assets_option(prometheus: Path) -> list[str]:
    """Return the options for the web files of Debian's Prometheus, if they are required."""
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
            f"--web.config.file={config.alerts_secret.with_name(WEB_CONFIG)}",
        ],
        config.log_file("blackbox_exporter"),
        ready_url=f"http://127.0.0.1:{config.blackbox_port}/-/healthy",
        extra_environment=program.environment,
    )


def _alertmanager(config: DemoConfig) -> list[ProcessSpec]:
    """Return the process of Alertmanager, or an empty list if it cannot run."""
    try:
        program = programs.find("alertmanager")
    except programs.ProgramError as error:
        _log.warning("Continuing without Alertmanager: %s", error)
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
                f"--web.config.file={config.alerts_secret.with_name(WEB_CONFIG)}",
                "--cluster.listen-address=",
            ],
            config.log_file("alertmanager"),
            ready_url=f"{url}/-/ready",
            extra_environment=program.environment,
        )
    ]


# As in docker-compose.yml, Grafana allows anonymous access and sends no requests to the internet.
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
    """Return the process of Grafana, or an empty list if it is not installed."""
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
    """Return the home folder of Grafana, which is installed as an archive or as a package."""
    unpacked = grafana.resolve().parent.parent
    return unpacked if (unpacked / "conf").is_dir() else Path("/usr/share/grafana")
