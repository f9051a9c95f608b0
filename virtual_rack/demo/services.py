"""Processes of the demo."""

import logging
import os
import shutil
import sys
from pathlib import Path

from controller.alerts.secret import WEB_CONFIG
from rack.layout_file import load
from tools import programs
from virtual_rack.command_line import NAMESPACES
from virtual_rack.demo.config import SPEED_UP_FACTOR, DemoConfig
from virtual_rack.demo.processes import ProcessSpec
from virtual_rack.loopback import PING_PORT
from virtual_rack.master import VirtualMaster
from virtual_rack.outlets import source_devices
from virtual_rack.ssh_servers import SSH_PORT

_RESEND_SECONDS = 60  # default of Prometheus

_log = logging.getLogger(__name__)


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
    rack = config.rack
    for name in source_devices.programs(load(config.layout_file)):
        programs.find(name)
    namespaces = [
        *("--network", NAMESPACES, "--uplink"),
        *(["--keep-page-cache"] if rack.keeps_page_cache else []),
    ]
    return ProcessSpec(
        "virtual rack",
        [
            *(sys.executable, "-m", "virtual_rack", "run"),
            *("--rack", str(config.layout_file), "--state", str(config.state)),
            *("--aliases", str(rack.aliases), "--boot-time", str(rack.boot_seconds)),
            *(namespaces if rack.has_namespaces else ["--network", config.network]),
        ],
        config.log_file("virtual_rack"),
        ready_url=f"http://{config.network}.1.1:{config.exporter_port}/metrics",
    )


_LOOPBACK_OPTIONS = [
    *("--ping", f"tcp:{PING_PORT}"),
    *("--ssh-port", str(SSH_PORT)),
    *("--dhcp-server", "auto-reload"),
]


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
            *("--aliases", str(config.rack.aliases), "--anonymous", "viewer"),
            *([] if config.rack.has_namespaces else _LOOPBACK_OPTIONS),
            *("--dhcpd-conf", str(config.dhcp_folder / "dhcpd.conf")),
            *("--dhcp-log", f"file:{config.dhcp_folder / 'dhcpd.log'}"),
            *(["--grafana", config.grafana_url] if _grafana_executable() else []),
        ],
        config.log_file("controller"),
        ready_url=f"{config.controller_url}/healthz",
        extra_environment={
            "GPIOZERO_PIN_FACTORY": "virtual_rack",
            "PIRACK_VIRTUAL_RACK": str(config.state),
            "PATH": os.pathsep.join([*_program_folders(config), os.environ["PATH"]]),
        },
    )


def _program_folders(config: DemoConfig) -> list[str]:
    """Return the folders of the master's programs, for a rack of namespaces."""
    if not config.rack.has_namespaces:
        return []
    return [str(config.program_folder), str(VirtualMaster.bin_folder(config.state))]


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
            # Alerts that fire before Alertmanager is ready are sent again.
            f"--rules.alert.resend-delay={_RESEND_SECONDS // SPEED_UP_FACTOR}s",
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
