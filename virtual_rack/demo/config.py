"""Configuration of the demo: its files and ports."""

import shlex
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from controller.alerts.secret import load_or_create
from exporter.aliases import DEFAULT_PATH as PACKAGED_ALIASES
from grafana.generator import write_dashboards
from rack.layout_file import load
from virtual_rack.demo.layout import write_layout
from virtual_rack.demo.speed_up import shorten_durations
from virtual_rack.loopback import PING_PORT

SPEED_UP_FACTOR = 6
_REPOSITORY = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class RackOptions:
    """Options of the demo's rack.

    Attributes:
        layout: Layout file.
        aliases: Aliases file of the rasps.
        has_namespaces: Whether the rasps are in network namespaces instead of on loopback.
        boot_seconds: Mean boot time.
        keeps_page_cache: Whether a power cut keeps data that was not synced.
        has_poe: Whether each rasp is powered by a port of a PoE switch.
    """

    layout: Path = Path("rack.toml")
    aliases: Path = PACKAGED_ALIASES
    has_namespaces: bool = False
    boot_seconds: float = 5.0
    keeps_page_cache: bool = False
    has_poe: bool = False


@dataclass(frozen=True, slots=True)
class DemoConfig:
    """Paths, addresses and ports of a demo.

    Attributes:
        rack: Options of the rack.
        state: State folder.
        network: First two octets of the rasps' addresses.
    """

    rack: RackOptions
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

    @property
    def program_folder(self) -> Path:
        """The folder of programs for the controller of a rack of namespaces."""
        return self.state.resolve() / "bin"

    def log_file(self, name: str) -> Path:
        """Return the log file of a process."""
        return self.state / "logs" / f"{name}.log"

    @property
    def listen_addresses(self) -> Mapping[str, tuple[str, int]]:
        """For each process, the address and the port that must be free."""
        addresses = {
            "controller": ("127.0.0.1", self.controller_port),
            "Prometheus": ("127.0.0.1", self.prometheus_port),
            "blackbox_exporter": ("127.0.0.1", self.blackbox_port),
            "Alertmanager": ("127.0.0.1", self.alertmanager_port),
        }
        if not self.rack.has_namespaces:
            addresses["virtual rack"] = (f"{self.network}.1.1", PING_PORT)
        return addresses


def make_config(rack: RackOptions, port_base: int | None) -> DemoConfig:
    """Return the configuration of a demo. Demos with different `port_base` use different folders.

    Raises:
        LayoutError: If the layout file is invalid.
    """
    exporter = load(rack.layout).network.exporter_port
    first_octet = 10 if rack.has_namespaces else 127
    if port_base is None:
        network = f"{first_octet}.23"
        return DemoConfig(rack, Path(".demo"), network, exporter, 8080, 9090, 9115, 3000, 9093)
    network = f"{first_octet}.{second_octet(port_base)}"
    ports = range(port_base, port_base + 5)
    return DemoConfig(rack, Path(f".demo-{port_base}"), network, exporter, *ports)


def second_octet(port_base: int) -> int:
    """Return the second octet of the network of a demo, from 24 to 222.

    Bases that are multiples of ten get different networks, because 199 is a prime.
    """
    return 24 + port_base % 199


def write_files(config: DemoConfig) -> None:
    """Write the layout and the configuration of Prometheus, Alertmanager and Grafana.

    The durations of alerts are divided by six, compared with a real rack.
    """
    folder, grafana = config.state / "prometheus", config.state / "grafana"
    # Remove samples, logs and leases of earlier runs.
    for outdated in (folder, grafana, config.dhcp_folder, config.log_file("any").parent):
        shutil.rmtree(outdated, ignore_errors=True)
    config.state.mkdir(parents=True, exist_ok=True)
    write_layout(
        config.rack.layout, config.layout_file, config.network, has_poe=config.rack.has_poe
    )
    shutil.copytree(_REPOSITORY / "prometheus", folder)
    (folder / "targets").mkdir(exist_ok=True)
    if config.rack.has_namespaces:
        _write_systemctl(config)
    load_or_create(config.alerts_secret)  # before the services that require a password start
    for file in (folder / "alertmanager.yml", *folder.glob("rules/*.yml")):
        text = file.read_text(encoding="utf-8").replace(
            "http://127.0.0.1:8080/", f"{config.controller_url}/"
        )
        file.write_text(shorten_durations(text, SPEED_UP_FACTOR), encoding="utf-8")
    shutil.copytree(_REPOSITORY / "grafana" / "provisioning", grafana / "provisioning")
    write_dashboards(load(config.layout_file), config.controller_url, grafana / "dashboards")


def _write_systemctl(config: DemoConfig) -> None:
    """Write a systemctl for the controller, which runs the one of the rack's master."""
    folder = config.program_folder
    folder.mkdir(exist_ok=True)
    enter = [sys.executable, "-m", "virtual_rack", "enter", "--state", str(config.state.resolve())]
    path = folder / "systemctl"
    path.write_text(f'#!/bin/sh\nexec {shlex.join(enter)} -- systemctl "$@"\n')
    path.chmod(0o755)
