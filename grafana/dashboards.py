"""All dashboards of a rack, made and written."""

from collections.abc import Mapping
from pathlib import Path

from grafana.classic_dashboard import classic_dashboard
from grafana.envelope import Place
from grafana.rack_dashboard import rack_dashboard
from grafana.racks_dashboard import racks_dashboard
from grafana.rasp_dashboard import rasp_dashboard
from grafana.readable import Json, text
from grafana.self_dashboard import self_dashboard
from grafana.stack_dashboard import stack_dashboard
from rack.layout import Rack

CONTROLLER = "http://127.0.0.1:8080"


def of_rack(rack: Rack, controller: str = CONTROLLER) -> Mapping[str, Json]:
    """Return the dashboards of a rack by their uids.

    Args:
        rack: its layout.
        controller: the URL at which people's browsers reach the controller's pages.
    """
    first = rack.slots[0]
    place = Place(controller.rstrip("/"), rack.name, rack.stacks[0].name, first.name)
    made = [
        rack_dashboard(rack, place),
        classic_dashboard(rack, place),
        stack_dashboard(place),
        rasp_dashboard(place),
        racks_dashboard(place),
        self_dashboard(place),
    ]
    return {str(dashboard["uid"]): dashboard for dashboard in made}


def write(rack: Rack, controller: str, folder: Path) -> list[Path]:
    """Write a rack's dashboards into a folder, a file each, and return the files.

    Raises:
        OSError: the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for uid, dashboard in of_rack(rack, controller).items():
        file = folder / f"{uid}.json"
        file.write_text(text(dashboard), encoding="utf-8")
        files.append(file)
    return files
