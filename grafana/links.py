"""Where a click leads: to the controller's pages, and from one dashboard to the next.

`$controller` and the other variables are Grafana's, which puts their values in.
"""

from grafana.readable import Json

RACK, CLASSIC = "pirack-rack", "pirack-rack-classic"
STACK, RASP, RACKS, SELF = "pirack-stack", "pirack-rasp", "pirack-racks", "pirack-self"

_TIME = "${__url_time_range}"


def data_link(title: str, url: str) -> Json:
    """Return a link of a field or of an element of a canvas."""
    return {"title": title, "url": url, "targetBlank": False}


def page(path: str, title: str) -> Json:
    """Return a link to one of the controller's pages."""
    return data_link(title, f"${{controller}}{path}")


def of_rasps(stack: str, rasp: str) -> list[Json]:
    """Return the links of a value that is about a rasp; the names are expressions of Grafana's."""
    query = f"var-rack=${{rack}}&var-stack={stack}&var-rasp={rasp}&{_TIME}"
    return [
        data_link(f"Dashboard of {rasp}", f"/d/{RASP}?{query}"),
        page(f"/rasps/{rasp}", f"Page of {rasp}"),
    ]


def of_labelled_rasps() -> list[Json]:
    """Return the links of a value whose series has the labels `stack` and `rasp`."""
    return of_rasps("${__field.labels.stack}", "${__field.labels.rasp}")


def of_racks(rack: str) -> list[Json]:
    """Return the links of a value that is about a rack."""
    return [data_link(f"Dashboard of {rack}", f"/d/{RACK}?var-rack={rack}&{_TIME}")]


def top(path: str, title: str, tooltip: str) -> list[Json]:
    """Return a dashboard's own links: to a page of the controller, and to its sisters."""
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
    to_sisters: Json = {
        "type": "dashboards",
        "title": "PiRack",
        "tooltip": "The other dashboards",
        "tags": ["pirack"],
        "asDropdown": True,
        "includeVars": True,
        "keepTime": True,
    }
    return [to_page | common, to_sisters | common]
