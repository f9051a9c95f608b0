"""`python -m controller`: serve the API and the pages, or administer the controller."""

import gc
import logging
import signal
import threading
from types import FrameType
from typing import Any

import click

from controller.app import create_app
from controller.bootstrap import build_controller
from controller.command_line import admin, backup, ssh
from controller.command_line.arguments import controller_options
from controller.options import ControllerOptions
from controller.prometheus_targets import TargetFiles
from controller.web.reverse_proxy import ReverseProxy
from controller.web.server import create_server
from exporter.aliases import AliasesError
from exporter.aliases import load as load_aliases
from rack.errors import PiRackError
from rack.layout_file import load
from rack.lock import CONTROLLER, exclusive_access
from rack.terminal import CommandGroup

_PROGRAM = "python -m controller"
_UPDATE_INTERVAL = 1.0

_EXIT_STATUSES = """\b
Exit statuses:
  0    success
  1    `ssh pin`: the host key of a rasp was not pinned
  2    invalid command line or configuration, or the command failed
  130  interrupted
"""

_log = logging.getLogger("controller")


@click.group(cls=CommandGroup, invoke_without_command=True, epilog=_EXIT_STATUSES)
@controller_options
@click.version_option(package_name="pirack", message="%(prog)s %(version)s")
@click.pass_context
def controller(context: click.Context, /, **options: Any) -> None:
    """Serve the API and the pages of a rack until SIGTERM or Ctrl-C.

    With a command, administer users, tokens, SSH keys and backups, or list audit events.
    """
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    logging.getLogger("asyncssh").setLevel(logging.WARNING)  # INFO logs each connection
    logging.getLogger("waitress").setLevel(logging.ERROR)  # clients can cause any lower level
    context.obj = ControllerOptions(**options)
    if context.invoked_subcommand is None:
        _serve(context.obj)
    else:  # the copy of the audit log is for the journal, not for terminals
        logging.getLogger("controller.audit").setLevel(logging.WARNING)


for _command in (
    admin.user,
    admin.token,
    admin.list_audit,
    ssh.ssh,
    backup.back_up,
    backup.restore,
):
    controller.add_command(_command)


def _serve(options: ControllerOptions) -> None:
    rack = load(options.rack)
    try:
        aliases = load_aliases(options.aliases)
    except AliasesError as error:
        raise PiRackError(str(error)) from error
    with exclusive_access(options.db, CONTROLLER):
        components = build_controller(options, rack, aliases)
        dependencies = components.dependencies
        try:
            app = ReverseProxy(create_app(dependencies), options.proxy)
            server = create_server(app, options.listen, proxy=options.proxy)
        except (OSError, ValueError) as error:
            raise PiRackError(f"--listen {options.listen}: {error}: use another address") from error
        admin.create_first_admin(components.database)
        stop = threading.Event()
        updater = threading.Thread(
            target=_update_periodically, args=(components.target_files, stop), name="targets"
        )

        is_serving = False

        def end(_number: int, _frame: FrameType | None) -> None:
            stop.set()
            if is_serving:  # otherwise the threads that have started would stay
                raise SystemExit

        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, end)
        dependencies.orders.start()
        dependencies.alerts.webhook.start()
        updater.start()
        _log.info("%s is available at http://%s", rack.name, options.listen)
        gc.collect()
        gc.freeze()  # shortens later collections, which delay responses
        try:
            is_serving = True
            if not stop.is_set():
                server.run()
        finally:
            is_serving = False
            dependencies.alerts.webhook.close()
            dependencies.installation.close()
            dependencies.orders.close()
            stop.set()
            updater.join()


def _update_periodically(target_files: TargetFiles, stop: threading.Event) -> None:
    logged = ""
    while True:
        try:
            target_files.update()
            logged = ""
        except (OSError, PiRackError) as error:
            if str(error) != logged:  # log each error once, not every second
                logged = str(error)
                _log.error("cannot update the target files of Prometheus: %s", error)
        if stop.wait(_UPDATE_INTERVAL):
            return


if __name__ == "__main__":
    controller(prog_name=_PROGRAM)
