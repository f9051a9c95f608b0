"""Write the Grafana dashboards of a rack."""

import argparse
import sys
from pathlib import Path
from urllib.parse import urlsplit

from grafana.generator import DEFAULT_CONTROLLER_URL, write_dashboards
from rack.errors import PiRackError
from rack.layout_file import load


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return the exit status."""
    options = _parser().parse_args(arguments)
    try:
        files = write_dashboards(load(options.rack), options.controller, options.output)
    except PiRackError as error:
        print(error, file=sys.stderr)
        return 2
    except OSError as error:
        print(
            f"{options.output}: {error.strerror or error}: choose a writable folder with --output",
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
    raise argparse.ArgumentTypeError(
        f"{text!r} is not a valid URL: use a URL such as http://master:8080"
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m grafana", description=__doc__)
    add = parser.add_argument
    add("--rack", type=Path, default=Path("rack.toml"), help="layout file (default: %(default)s)")
    add(
        "--controller",
        type=_parse_url,
        default=DEFAULT_CONTROLLER_URL,
        metavar="URL",
        help="URL of the controller for browsers (default: %(default)s)",
    )
    add(
        "--output",
        type=Path,
        default=Path("grafana/dashboards"),
        metavar="FOLDER",
        help="output folder (default: %(default)s)",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
