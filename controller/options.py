"""Options of the controller."""

from dataclasses import dataclass
from pathlib import Path

from rack.settings import Anonymous


@dataclass(frozen=True, kw_only=True)
class ControllerOptions:
    """Options of the command line. `python -m controller --help` describes them."""

    rack: Path
    db: Path
    targets: Path
    listen: str
    prometheus: str
    blackbox: str
    alertmanager: str
    alerts_secret: Path | None
    grafana: str
    ping: str
    aliases: Path
    ssh_port: int | None
    anonymous: Anonymous | None
    proxy: str | None
    dhcpd_conf: Path
    dhcp_server: str
    dhcp_log: str

    @property
    def alerts_secret_path(self) -> Path:
        """Path of the secret of Alertmanager."""
        return self.alerts_secret or self.db.with_name("alerts.secret")
