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

TIME_RANGE = "${__url_time_range}"


def dashboard_url(uid: str, **variables: str) -> str:
    """Return the URL of a dashboard with the time range of the current dashboard."""
    query = "".join(f"var-{name}={value}&" for name, value in variables.items())
    return f"/d/{uid}?{query}{TIME_RANGE}"


def data_link(title: str, url: str) -> Json:
    """Return a link of a field or a canvas element."""
    return {"title": title, "url": url, "targetBlank": False}


def page_link(path: str, title: str) -> Json:
    """Return a link to one of the controller's pages."""
    return data_link(title, f"${{controller}}{path}")


def rasp_link(stack: str, rasp: str) -> Json:
    """Return the link to the dashboard of a rasp. The names may be Grafana expressions."""
    url = dashboard_url(RASP_UID, rack="${rack}", stack=stack, rasp=rasp)
    return data_link(f"Dashboard of {rasp}", url)


def stack_link(stack: str) -> Json:
    """Return the link to the dashboard of a stack. The name may be a Grafana expression."""
    return data_link(
        f"Dashboard of stack {stack}", dashboard_url(STACK_UID, rack="${rack}", stack=stack)
    )


def rasp_links(stack: str, rasp: str) -> list[Json]:
    """Return the links of a value of a rasp. The names may be Grafana expressions."""
    return [rasp_link(stack, rasp), page_link(f"/rasps/{rasp}", f"Page of {rasp}")]


def stack_links(stack: str) -> list[Json]:
    """Return the links of a value of a stack. The name may be a Grafana expression."""
    return [stack_link(stack), page_link(f"/stacks/{stack}", f"Page of stack {stack}")]


def rasp_links_from_labels() -> list[Json]:
    """Return the links of a series with the labels `stack` and `rasp`."""
    return rasp_links("${__field.labels.stack}", "${__field.labels.rasp}")


def rack_links(rack: str) -> list[Json]:
    """Return the links of a value of a rack."""
    return [data_link(f"Dashboard of {rack}", dashboard_url(RACK_UID, rack=rack))]


def dashboard_links(path: str, title: str) -> list[Json]:
    """Return the links of a dashboard to a page and to the other dashboards."""
    to_dashboards: Json = {
        "icon": "external link",
        "targetBlank": False,
        "type": "dashboards",
        "title": "PiRack",
        "tooltip": "The other dashboards",
        "tags": ["pirack"],
        "asDropdown": True,
        "includeVars": True,
        "keepTime": True,
    }
    tooltip = "State and orders on the page of the controller"
    return [_top_link(title, tooltip, f"${{controller}}{path}"), to_dashboards]


def phone_link() -> Json:
    """Return the link of *Rack* to *Rack (classic)*, which is readable on a phone."""
    return _top_link(
        "For phones",
        "The rack without the canvas panel, which is too narrow on a phone",
        f"/d/{CLASSIC_UID}",
        keep_selection=True,
    )


def _top_link(title: str, tooltip: str, url: str, *, keep_selection: bool = False) -> Json:
    return {
        "type": "link",
        "icon": "external link",
        "title": title,
        "tooltip": tooltip,
        "url": url,
        "targetBlank": False,
        "tags": [],
        "asDropdown": False,
        "includeVars": keep_selection,
        "keepTime": keep_selection,
    }
