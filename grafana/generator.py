"""All dashboards of a rack, made and written."""

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
    """Return the dashboards of a rack by their uids.

    Args:
        rack: its layout.
        controller_url: the URL at which people's browsers reach the controller's pages.
    """
    first = rack.slots[0]
    place = DashboardDefaults(
        controller_url.rstrip("/"), rack.name, rack.stacks[0].name, first.name
    )
    made = [
        rack_dashboard(rack, place),
        classic_dashboard(rack, place),
        stack_dashboard(place),
        rasp_dashboard(place),
        racks_dashboard(place),
        pirack_dashboard(place),
    ]
    return {str(dashboard["uid"]): dashboard for dashboard in made}


def write_dashboards(rack: Rack, controller_url: str, folder: Path) -> list[Path]:
    """Write a rack's dashboards into a folder, a file each, and return the files.

    Raises:
        OSError: the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for uid, dashboard in build_dashboards(rack, controller_url).items():
        file = folder / f"{uid}.json"
        file.write_text(format_json(dashboard), encoding="utf-8")
        files.append(file)
    return files
