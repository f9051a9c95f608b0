"""`python -m controller`: serve the rack's state until SIGTERM or Ctrl-C.

With a command it looks after users, tokens and SSH keys, or shows the audit.
"""

import argparse
import gc
import logging
import signal
import sys
import threading
from types import FrameType
from typing import Any

from waitress.server import create_server

from controller.bootstrap import build_controller
from controller.command_line import admin, arguments
from controller.prometheus_targets import TargetFiles
from controller.web.app import create_app
from exporter.aliases import Aliases, AliasesError
from exporter.aliases import load as load_aliases
from rack.errors import RackError
from rack.layout import Rack
from rack.layout_file import load
from rack.lock import CONTROLLER, exclusive_access

_UPDATE_INTERVAL = 1.0
_SERVER_THREADS = 16

_log = logging.getLogger("controller")


def main(argv: list[str] | None = None) -> int:
    """Do as the command line asks for; return the exit status."""
    options = arguments.build_parser().parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    logging.getLogger("asyncssh").setLevel(logging.WARNING)  # it tells of each connection
    try:
        if options.run:
            options.run(options)
            return 0
        rack, aliases = load(options.rack), load_aliases(options.aliases)
        with exclusive_access(options.db, CONTROLLER):
            return _serve(options, rack, aliases)
    except (RackError, AliasesError) as error:
        print(error, file=sys.stderr)
        return 2


def _serve(options: argparse.Namespace, rack: Rack, aliases: Aliases) -> int:
    controller = build_controller(options, rack, aliases)
    parts = controller.dependencies
    try:
        server = create_server(
            create_app(parts),
            listen=options.listen,
            threads=_SERVER_THREADS,
            **_proxy_settings(options.proxy),
        )
    except (OSError, ValueError) as error:
        print(f"--listen {options.listen}: {error}: choose another", file=sys.stderr)
        return 2
    admin.AdminCommands(controller.database).create_first_admin()
    stop = threading.Event()
    updater = threading.Thread(
        target=_update_periodically, args=(controller.target_files, stop), name="targets"
    )

    def end(_number: int, _frame: FrameType | None) -> None:
        raise SystemExit

    signal.signal(signal.SIGTERM, end)
    parts.orders.start()
    parts.alerts.webhook.start()
    updater.start()
    _log.info("%s is at http://%s", rack.name, options.listen)
    gc.collect()
    gc.freeze()  # what is there by now stays; to look through it each time would hold up pages
    try:
        server.run()
    finally:
        parts.alerts.webhook.close()
        parts.installation.close()
        parts.orders.close()
        stop.set()
        updater.join()
    return 0


def _proxy_settings(proxy: str | None) -> dict[str, Any]:
    """Return what waitress is told of an HTTPS proxy; of any other, headers are not believed."""
    if proxy is None:
        return {"clear_untrusted_proxy_headers": True}
    return {
        "clear_untrusted_proxy_headers": True,
        "trusted_proxy": proxy,
        "trusted_proxy_headers": {"x-forwarded-for", "x-forwarded-host", "x-forwarded-proto"},
    }


def _update_periodically(target_files: TargetFiles, stop: threading.Event) -> None:
    trouble = ""
    while True:
        try:
            target_files.update()
            trouble = ""
        except (OSError, RackError) as error:
            if str(error) != trouble:  # told once, not once a second
                trouble = str(error)
                _log.error("the target files cannot be brought up to date: %s", trouble)
        if stop.wait(_UPDATE_INTERVAL):
            return


if __name__ == "__main__":
    sys.exit(main())
