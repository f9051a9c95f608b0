"""What a demo is made of: which programs, with what, and where each of them listens."""

import logging
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from grafana.dashboards import write as write_dashboards
from rack.layout_file import load
from virtual_rack import programs
from virtual_rack.demo_rack import write_rack
from virtual_rack.loopback import PING_PORT
from virtual_rack.services import Service
from virtual_rack.ssh_servers import SSH_PORT
from virtual_rack.time_lapse import faster

_log = logging.getLogger(__name__)

_FASTER = 6
_REPOSITORY = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True)
class Plan:
    """Where everything is. `network` is the first two octets of the rasps' addresses.

    `given` is the layout that the demo was started with; `state` is the folder of all that it
    writes; the ports are TCP's.
    """

    given: Path
    state: Path
    network: str
    exporter: int
    controller: int
    prometheus: int
    blackbox: int
    grafana: int
    alertmanager: int

    @property
    def rack(self) -> Path:
        """The layout on the demo's own network."""
        return self.state / "rack.toml"

    @property
    def dhcp(self) -> Path:
        """The folder of a DHCP server that is a log alone."""
        return self.state / "dhcpd"

    @property
    def url(self) -> str:
        """The rack page."""
        return f"http://127.0.0.1:{self.controller}"

    @property
    def grafana_url(self) -> str:
        """Grafana, where the machine has it."""
        return f"http://127.0.0.1:{self.grafana}"

    @property
    def database(self) -> Path:
        """The controller's."""
        return self.state / "pirack.db"

    def log(self, name: str) -> Path:
        """Return the log file of one of the programs."""
        return self.state / "logs" / f"{name}.log"

    @property
    def sockets(self) -> Mapping[str, tuple[str, int]]:
        """The addresses and ports that must be free, by who wants them."""
        return {
            "controller": ("127.0.0.1", self.controller),
            "Prometheus": ("127.0.0.1", self.prometheus),
            "blackbox_exporter": ("127.0.0.1", self.blackbox),
            "Alertmanager": ("127.0.0.1", self.alertmanager),
            "virtual rack": (f"{self.network}.1.1", PING_PORT),
        }


def plan(rack: Path, port_base: int | None) -> Plan:
    """Return where a demo is to be; one with a `port_base` can run beside one without.

    Raises:
        LayoutError: `rack` is no rack.toml that can be used.
    """
    exporter = load(rack).network.exporter_port
    if port_base is None:
        return Plan(rack, Path(".demo"), "127.23", exporter, 8080, 9090, 9115, 3000, 9093)
    # Another /16 of loopback for each base, 127.24 to 127.222; 199 is a prime, so that bases which
    # are multiples of ten differ here, too.
    network = f"127.{24 + port_base % 199}"
    ports = range(port_base, port_base + 5)
    return Plan(rack, Path(f".demo-{port_base}"), network, exporter, *ports)


def lay_out(here: Plan) -> None:
    """Write the demo's layout, and make the folders for Prometheus and Grafana.

    In them is the project's own configuration, and no readings. Alerts come six times faster than
    on a real rack. Grafana's dashboards are those of this rack, and their links lead to this
    controller.
    """
    folder, grafana = here.state / "prometheus", here.state / "grafana"
    # An earlier demo's readings would mix with this one's, and its last words with its logs.
    # Its DHCP server knows rasps in slots that this one's people have not chosen.
    for old in (folder, grafana, here.dhcp, here.log("any").parent):
        shutil.rmtree(old, ignore_errors=True)
    here.state.mkdir(parents=True, exist_ok=True)
    write_rack(here.given, here.rack, here.network)
    shutil.copytree(_REPOSITORY / "prometheus", folder)
    (folder / "targets").mkdir(exist_ok=True)
    for file in (folder / "alertmanager.yml", *folder.glob("rules/*.yml")):
        text = file.read_text(encoding="utf-8").replace("http://127.0.0.1:8080/", f"{here.url}/")
        file.write_text(faster(text, _FASTER), encoding="utf-8")
    shutil.copytree(_REPOSITORY / "grafana" / "provisioning", grafana / "provisioning")
    write_dashboards(load(here.rack), here.url, grafana / "dashboards")


def services(here: Plan) -> list[Service]:
    """Return the demo's programs.

    Raises:
        ProgramError: one is not on this machine and cannot be fetched.
    """
    return [
        _virtual_rack(here),
        _controller(here),
        _prometheus(here),
        _blackbox(here),
        *_alertmanager(here),
        *_grafana(here),
    ]


def _virtual_rack(here: Plan) -> Service:
    return Service(
        "virtual rack",
        [
            *(sys.executable, "-m", "virtual_rack", "run"),
            *("--rack", str(here.rack), "--state", str(here.state), "--network", here.network),
        ],
        here.log("virtual_rack"),
        ready=f"http://{here.network}.1.1:{here.exporter}/metrics",
    )


def _controller(here: Plan) -> Service:
    return Service(
        "controller",
        [
            *(sys.executable, "-m", "controller"),
            *("--rack", str(here.rack), "--db", str(here.database)),
            *("--targets", str(here.state / "prometheus" / "targets")),
            *("--alerts-secret", str(here.state / "prometheus" / "secrets" / "alerts")),
            *("--listen", f"127.0.0.1:{here.controller}"),
            *("--prometheus", f"http://127.0.0.1:{here.prometheus}"),
            *("--blackbox", f"127.0.0.1:{here.blackbox}"),
            *("--alertmanager", f"127.0.0.1:{here.alertmanager}"),
            *("--ping", f"tcp:{PING_PORT}", "--ssh-port", str(SSH_PORT)),
            *("--anonymous", "viewer"),
            *("--dhcpd-conf", str(here.dhcp / "dhcpd.conf"), "--dhcp-server", "watching"),
            *("--dhcp-log", f"file:{here.dhcp / 'dhcpd.log'}"),
            *(["--grafana", here.grafana_url] if _grafana_here() else []),
        ],
        here.log("controller"),
        ready=f"{here.url}/healthz",
        env={"GPIOZERO_PIN_FACTORY": "virtual_rack", "PIRACK_VIRTUAL_RACK": str(here.state)},
    )


def _prometheus(here: Plan) -> Service:
    program = programs.find("prometheus")
    url = f"http://127.0.0.1:{here.prometheus}"
    return Service(
        "Prometheus",
        [
            *program.words,
            f"--config.file={here.state}/prometheus/prometheus.yml",
            f"--storage.tsdb.path={here.state}/prometheus/data",
            f"--web.listen-address=127.0.0.1:{here.prometheus}",
            *_web_assets(program.path),
        ],
        here.log("prometheus"),
        ready=f"{url}/-/ready",
        page=url,
        env=program.env,
    )


def _web_assets(prometheus: Path) -> list[str]:
    """Return where Debian's Prometheus finds its pages: they lie beside it, not inside it."""
    assets = prometheus.parents[1] / "share" / "prometheus" / "web"
    return [f"--web.local-assets={assets}"] if assets.is_dir() else []


def _blackbox(here: Plan) -> Service:
    program = programs.find("blackbox_exporter")
    return Service(
        "blackbox_exporter",
        [
            *program.words,
            f"--config.file={here.state}/prometheus/blackbox.yml",
            f"--web.listen-address=127.0.0.1:{here.blackbox}",
        ],
        here.log("blackbox_exporter"),
        ready=f"http://127.0.0.1:{here.blackbox}/-/healthy",
        env=program.env,
    )


def _alertmanager(here: Plan) -> list[Service]:
    """Return Alertmanager where the machine lets it run; the rack can be seen without it, too."""
    try:
        program = programs.find("alertmanager")
    except programs.ProgramError as error:
        _log.warning("Going on without Alertmanager: %s", error)
        return []
    url = f"http://127.0.0.1:{here.alertmanager}"
    return [
        Service(
            "Alertmanager",
            [
                *program.words,
                f"--config.file={here.state}/prometheus/alertmanager.yml",
                f"--storage.path={here.state}/prometheus/alertmanager",
                f"--web.listen-address=127.0.0.1:{here.alertmanager}",
                "--cluster.listen-address=",
            ],
            here.log("alertmanager"),
            ready=f"{url}/-/ready",
            page=url,
            env=program.env,
        )
    ]


# As in docker-compose.yml: no user and no password, and nothing is asked of the internet.
_GRAFANA_FOR_WHOEVER_LOOKS = {
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


def _grafana(here: Plan) -> list[Service]:
    """Return Grafana where the machine has it: it is not in Debian, so it is not fetched."""
    grafana, url = _grafana_here(), here.grafana_url
    if grafana is None:
        return []
    return [
        Service(
            "Grafana",
            [grafana, "server", "--homepath", str(_grafana_home(Path(grafana)))],
            here.log("grafana"),
            ready=f"{url}/api/health",
            page=url,
            env={
                **_GRAFANA_FOR_WHOEVER_LOOKS,
                "GF_PATHS_DATA": str(here.state.resolve() / "grafana" / "data"),
                "GF_PATHS_PROVISIONING": str(here.state.resolve() / "grafana" / "provisioning"),
                "GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH": str(
                    here.state.resolve() / "grafana" / "dashboards" / "pirack-rack.json"
                ),
                "GF_SERVER_HTTP_ADDR": "127.0.0.1",
                "GF_SERVER_HTTP_PORT": str(here.grafana),
                "PROMETHEUS_URL": f"http://127.0.0.1:{here.prometheus}",
            },
        )
    ]


def _grafana_here() -> str | None:
    return shutil.which("grafana")


def _grafana_home(grafana: Path) -> Path:
    """Return the folder of Grafana's own files: beside an unpacked release, or the package's."""
    unpacked = grafana.resolve().parent.parent
    return unpacked if (unpacked / "conf").is_dir() else Path("/usr/share/grafana")
