"""Build and write all dashboards of a rack."""

from collections.abc import Mapping
from pathlib import Path

from grafana.classic_dashboard import classic_dashboard
from grafana.dashboard import DashboardDefaults
from grafana.json_format import Json, format_json
from grafana.pirack_dashboard import pirack_dashboard
from grafana.rack_dashboard import rack_dashboard
from grafana.racks_dashboard import racks_dashboard
from grafana.rasp_dashboard import rasp_dashboard
from grafana.stack_dashboard import stack_dashboard
from rack.layout import Rack

DEFAULT_CONTROLLER_URL = "http://127.0.0.1:8080"


def build_dashboards(
    rack: Rack, controller_url: str = DEFAULT_CONTROLLER_URL
) -> Mapping[str, Json]:
    """Return the dashboards of a rack, keyed by uid.

    Args:
        rack: Layout of the rack.
        controller_url: URL of the controller for browsers.
    """
    defaults = DashboardDefaults(
        controller_url.rstrip("/"), rack.name, rack.stacks[0].name, rack.slots[0].name
    )
    dashboards = [
        rack_dashboard(rack, defaults),
        classic_dashboard(rack, defaults),
        stack_dashboard(rack, defaults),
        rasp_dashboard(rack, defaults),
        racks_dashboard(defaults),
        pirack_dashboard(rack, defaults),
    ]
    return {str(dashboard["uid"]): dashboard for dashboard in dashboards}


def write_dashboards(rack: Rack, controller_url: str, folder: Path) -> list[Path]:
    """Write each dashboard of a rack to a file in a folder. Return the files.

    Raises:
        OSError: If the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for uid, dashboard in build_dashboards(rack, controller_url).items():
        file = folder / f"{uid}.json"
        file.write_text(format_json(dashboard), encoding="utf-8")
        files.append(file)
    return files
