"""Links to the controller's pages and between dashboards.

Grafana replaces variables such as `$controller`.
"""

from grafana.json_format import Json

RACK_UID, CLASSIC_UID = "pirack-rack", "pirack-rack-classic"
STACK_UID, RASP_UID, RACKS_UID, PIRACK_UID = (
    "pirack-stack",
    "pirack-rasp",
    "pirack-racks",
    "pirack-self",
)

_TIME_RANGE = "${__url_time_range}"


def data_link(title: str, url: str) -> Json:
    """Return a link of a field or a canvas element."""
    return {"title": title, "url": url, "targetBlank": False}


def page_link(path: str, title: str) -> Json:
    """Return a link to one of the controller's pages."""
    return data_link(title, f"${{controller}}{path}")


def rasp_links(stack: str, rasp: str) -> list[Json]:
    """Return the links of a value of a rasp. The names may be Grafana expressions."""
    query = f"var-rack=${{rack}}&var-stack={stack}&var-rasp={rasp}&{_TIME_RANGE}"
    return [
        data_link(f"Dashboard of {rasp}", f"/d/{RASP_UID}?{query}"),
        page_link(f"/rasps/{rasp}", f"Page of {rasp}"),
    ]


def rasp_links_from_labels() -> list[Json]:
    """Return the links of a series with the labels `stack` and `rasp`."""
    return rasp_links("${__field.labels.stack}", "${__field.labels.rasp}")


def rack_links(rack: str) -> list[Json]:
    """Return the links of a value of a rack."""
    return [data_link(f"Dashboard of {rack}", f"/d/{RACK_UID}?var-rack={rack}&{_TIME_RANGE}")]


def dashboard_links(path: str, title: str, tooltip: str) -> list[Json]:
    """Return the links of a dashboard to a page and to the other dashboards."""
    common: Json = {"icon": "external link", "targetBlank": False}
    to_page: Json = {
        "type": "link",
        "title": title,
        "tooltip": tooltip,
        "url": f"${{controller}}{path}",
        "tags": [],
        "asDropdown": False,
        "includeVars": False,
        "keepTime": False,
    }
    to_dashboards: Json = {
        "type": "dashboards",
        "title": "PiRack",
        "tooltip": "The other dashboards",
        "tags": ["pirack"],
        "asDropdown": True,
        "includeVars": True,
        "keepTime": True,
    }
    return [to_page | common, to_dashboards | common]
