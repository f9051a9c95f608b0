"""`python -m grafana`: write the dashboards of a rack for Grafana."""

import argparse
import sys
from pathlib import Path
from urllib.parse import urlsplit

from grafana.generator import DEFAULT_CONTROLLER_URL, write_dashboards
from rack.errors import RackError
from rack.layout_file import load


def main(arguments: list[str] | None = None) -> int:
    """Do as the command line asks for; return the exit status."""
    options = _parser().parse_args(arguments)
    try:
        files = write_dashboards(load(options.rack), options.controller, options.output)
    except RackError as error:
        print(error, file=sys.stderr)
        return 2
    except OSError as error:
        print(
            f"{options.output}: {error.strerror or error}: name an --output that can be written",
            file=sys.stderr,
        )
        return 2
    for file in files:
        print(file)
    return 0


def _parse_url(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme in {"http", "https"} and parts.netloc:
        return text
    raise argparse.ArgumentTypeError(f"{text!r} is no URL such as http://master:8080")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m grafana", description=__doc__)
    add = parser.add_argument
    add("--rack", type=Path, default=Path("rack.toml"), help="the layout (%(default)s)")
    add(
        "--controller",
        type=_parse_url,
        default=DEFAULT_CONTROLLER_URL,
        metavar="URL",
        help="where people's browsers reach the controller's pages (%(default)s)",
    )
    add(
        "--output",
        type=Path,
        default=Path("grafana/dashboards"),
        metavar="FOLDER",
        help="where the dashboards go (%(default)s)",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
