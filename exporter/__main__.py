"""`python -m exporter`: serve an aliases file until told to stop."""

import argparse
import logging
import re
import signal
import sys
from pathlib import Path
from queue import SimpleQueue

from exporter import aliases
from exporter.aliases import AliasesError
from exporter.server import Exporter

_HIGHEST_PORT = 65535
_LISTEN = re.compile(r"(?:\[(?P<v6>[0-9a-fA-F:.%]+)\]|(?P<v4>[^:\[\]]+)):(?P<port>\d{1,5})")


def listen(text: str) -> tuple[str, int]:
    """Return the address and the port in `ADDR:PORT`. Raises argparse.ArgumentTypeError."""
    match = _LISTEN.fullmatch(text)
    if match is None or int(match["port"]) > _HIGHEST_PORT:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no address to listen on: write ADDR:PORT, such as 127.0.0.1:9849"
        )
    return match["v6"] or match["v4"], int(match["port"])


def main() -> int:
    """Run the command line; return the exit status."""
    parser = argparse.ArgumentParser(
        prog="pirack-exporter", description="Serve the values of an aliases file to Prometheus."
    )
    parser.add_argument(
        "--aliases", type=Path, default=aliases.DEFAULT_PATH, metavar="FILE", help="aliases file"
    )
    parser.add_argument(
        "--listen", type=listen, default="127.0.0.1:9849", metavar="ADDR:PORT", help="%(default)s"
    )
    parser.add_argument(
        "--root", type=Path, default="/", metavar="DIR", help="where sys and proc are (%(default)s)"
    )
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    signals = SimpleQueue[int]()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, _: signals.put(number))
    address, port = options.listen
    try:
        exporter = Exporter(
            aliases.load(options.aliases), address, port, root=options.root.absolute()
        )
        exporter.start()
    except AliasesError as error:
        return _refuse(str(error))
    except OSError as error:
        return _refuse(
            f"cannot listen on {address}:{port} ({error.strerror}): "
            "name an address of this machine and a free port with --listen"
        )
    logging.info("metrics at http://%s:%d/metrics", address, exporter.port)
    signals.get()
    exporter.close()
    return 0


def _refuse(problem: str) -> int:
    print(f"pirack-exporter: {problem}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
