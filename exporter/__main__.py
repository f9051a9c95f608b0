"""Command line of the exporter.

SIGTERM and SIGINT stop the server. SIGHUP reloads the aliases file.
"""

import argparse
import logging
import signal
import sys
from pathlib import Path
from queue import Empty, SimpleQueue

from exporter import actions, check
from exporter.aliases import DEFAULT_PATH, AliasesError, load
from exporter.http_server import Tls
from exporter.listen_address import ListenAddress, bracketed
from exporter.server import Exporter

_ADDRESS_CHECK_SECONDS = 2.0


def main() -> int:
    """Run the command line and return the exit status."""
    # The archive on a rasp also runs actions: `pirack-exporter.pyz action`.
    if sys.argv[1:2] == ["action"]:
        return actions.main(sys.argv[2:])
    options = _parser().parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        if options.check is not None:
            lines, ok = check.report(load(options.check), options.root.absolute())
            print(*lines, sep="\n")
            return 0 if ok else 1
        return _serve(options)
    except AliasesError as error:
        return _fail(str(error))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="pirack-exporter",
        description="Serve the values of an aliases file to Prometheus.",
        epilog="SIGHUP reloads the aliases file. "
        "`pirack-exporter action` is the forced command for SSH.",
    )
    group = parser.add_mutually_exclusive_group()
    group.add_argument(
        "--aliases",
        type=Path,
        default=DEFAULT_PATH,
        metavar="FILE",
        help="aliases file (default: the packaged file)",
    )
    group.add_argument(
        "--check",
        type=Path,
        nargs="?",
        const=DEFAULT_PATH,
        metavar="FILE",
        help="run each alias of FILE once, print values and warnings, and exit",
    )
    parser.add_argument(
        "--listen",
        type=_parse_address,
        default="127.0.0.1:9849",
        metavar="ADDR:PORT",
        help="address, or a network such as 10.23.0.0/16 in which this machine has addresses"
        " (default: %(default)s)",
    )
    parser.add_argument(
        "--root",
        type=Path,
        default=Path("/"),
        metavar="DIR",
        help="folder that contains sys and proc; commands use it as $ROOT (default: %(default)s)",
    )
    parser.add_argument("--tls-cert", type=Path, metavar="FILE", help="certificate of the server")
    parser.add_argument("--tls-key", type=Path, metavar="FILE", help="private key of the server")
    parser.add_argument(
        "--tls-client-ca",
        type=Path,
        metavar="FILE",
        help="certificate authority from which clients must have a certificate",
    )
    return parser


def _parse_address(text: str) -> ListenAddress:
    try:
        return ListenAddress.parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _serve(options: argparse.Namespace) -> int:
    signals = SimpleQueue[int]()
    for number in (signal.SIGHUP, signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, _: signals.put(number))
    host, port = options.listen.host, options.listen.port
    try:
        exporter = Exporter(
            load(options.aliases),
            host,
            port,
            root=options.root.absolute(),
            tls=_tls(options),
            kill_orphans=True,
        )
        exporter.start()
    except OSError as error:
        return _fail(
            f"cannot listen on {bracketed(str(host))}:{port} ({error.strerror or error}): "
            "check --listen and the --tls options"
        )
    except ValueError as error:
        return _fail(str(error))
    for address in exporter.addresses:
        scheme = "https" if options.tls_cert else "http"
        logging.info("metrics at %s://%s:%d/metrics", scheme, bracketed(address), exporter.port)
    if not exporter.addresses:
        logging.info("waiting for an address in %s", host)
    while _wait_for_signal(signals, exporter) == signal.SIGHUP:
        exporter.reload(options.aliases)
    exporter.close()
    return 0


def _wait_for_signal(signals: SimpleQueue[int], exporter: Exporter) -> int:
    """Return the next signal. Until then, follow the addresses of this machine."""
    logged = ""
    while True:
        try:
            return signals.get(timeout=_ADDRESS_CHECK_SECONDS)
        except Empty:
            pass
        try:
            exporter.follow_addresses()
            logged = ""
        except OSError as error:
            if str(error) != logged:  # log each error once
                logged = str(error)
                logging.warning("cannot listen at the new address: %s", error)


def _tls(options: argparse.Namespace) -> Tls | None:
    if options.tls_cert and options.tls_key:
        return Tls(options.tls_cert, options.tls_key, options.tls_client_ca)
    if options.tls_cert or options.tls_key or options.tls_client_ca:
        raise ValueError("TLS needs a certificate and its key: set both --tls-cert and --tls-key")
    return None


def _fail(problem: str) -> int:
    print(f"pirack-exporter: {problem}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
