"""Draw the dashboards with the data of a running demo, in several widths, light and dark."""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import requests

from tools.dashboard_pictures.links import LABELS, link_problems
from tools.dashboard_pictures.pictures import Picture, pictures_of
from tools.dashboard_pictures.queries import Dashboard
from tools.dashboard_pictures.recording import PrometheusApi, record
from tools.dashboard_pictures.renderer import DashboardRenderer, bundle_page, launched_browser
from tools.programs import ProgramError

_IN_DOCS = {
    "pirack-rack-1280-dark": "dashboard-rack-dark",
    "pirack-rack-1280-light": "dashboard-rack",
    "pirack-rack-classic-phone-light": "dashboard-phone",
    "pirack-stack-hot-1280-light": "dashboard-stack",
    "pirack-rasp-hot-1280-light": "dashboard-rasp",
    "pirack-racks-1280-light": "dashboard-racks",
    "pirack-self-1280-light": "dashboard-pirack",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Draw all pictures, print the problems of each, and return the exit status."""
    options = _parser().parse_args(arguments)
    files = sorted(options.dashboards.glob("*.json"))
    if not files:
        print(
            f"{options.dashboards} has no dashboards: run `make demo` in a second terminal",
            file=sys.stderr,
        )
        return 2
    dashboards = [json.loads(file.read_text(encoding="utf-8")) for file in files]
    prometheus, now = PrometheusApi(options.prometheus), time.time()
    try:
        states = prometheus.states(now)
    except requests.ConnectionError:
        states = []
    if not states:
        print(
            f"{options.prometheus} has no states of rasps: run `make demo` in a second terminal",
            file=sys.stderr,
        )
        return 2
    pictures = [
        (dashboard, picture)
        for dashboard in dashboards
        for picture in pictures_of(dashboard, states)
    ]
    try:
        _draw_all(pictures, prometheus, now, options.output, options.docs)
    except ProgramError as error:
        print(error, file=sys.stderr)
        return 2
    missing = sorted(_IN_DOCS.keys() - {picture.name for _, picture in pictures})
    if missing:
        print(
            f"not drawn: {', '.join(missing)}: inject the faults of CONTRIBUTING.md, and wait",
            file=sys.stderr,
        )
    return int(bool(missing))


def _draw_all(
    pictures: Sequence[tuple[Dashboard, Picture]],
    prometheus: PrometheusApi,
    now: float,
    output: Path,
    docs: Path,
) -> None:
    labels = {label: prometheus.label_values(label) for label in LABELS}
    output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as bundle, launched_browser() as browser:
        renderer = DashboardRenderer(browser, Path(bundle), bundle_page(Path(bundle)))
        for dashboard, picture in pictures:
            recording = record(prometheus, dashboard, picture.selection, now)
            drawn = renderer.draw(dashboard, recording, picture.view)
            file = output / f"{picture.name}.png"
            file.write_bytes(drawn.picture)
            print(file, flush=True)
            for problem in [*drawn.problems, *link_problems(drawn.links, labels)]:
                print(f"  {problem}")
            if picture.name in _IN_DOCS:
                compressed = renderer.compress(drawn.picture)
                (docs / f"{_IN_DOCS[picture.name]}.webp").write_bytes(compressed)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tools.dashboard_pictures", description=__doc__)
    add = parser.add_argument
    add(
        "--prometheus",
        default="http://127.0.0.1:9090",
        metavar="URL",
        help="URL of the demo's Prometheus (default: %(default)s)",
    )
    add(
        "--dashboards",
        type=Path,
        default=Path(".demo/grafana/dashboards"),
        metavar="FOLDER",
        help="folder of the demo's dashboards (default: %(default)s)",
    )
    add(
        "--output",
        type=Path,
        default=Path("build/dashboards"),
        metavar="FOLDER",
        help="folder for all pictures (default: %(default)s)",
    )
    add(
        "--docs",
        type=Path,
        default=Path("docs/images"),
        metavar="FOLDER",
        help="folder for the pictures of the documentation (default: %(default)s)",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
