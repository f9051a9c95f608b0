"""Server process of the controller."""

import gc
import logging
import signal
import threading
from types import FrameType

from controller.app import create_app
from controller.bootstrap import build_controller
from controller.command_line import admin
from controller.options import ControllerOptions
from controller.periodic import PeriodicThread
from controller.web.reverse_proxy import ReverseProxy
from controller.web.server import create_server
from exporter.aliases import Aliases
from rack.database import Database
from rack.errors import PiRackError
from rack.layout import Rack
from rack.power.outlets import Outlets

_UPDATE_INTERVAL = 1.0

_log = logging.getLogger("controller")


def run_server(
    options: ControllerOptions, rack: Rack, aliases: Aliases, database: Database, outlets: Outlets
) -> None:
    """Serve the API and the pages until SIGTERM or SIGINT. See `build_controller`.

    Raises:
        PiRackError: If the configuration is invalid.
    """
    components = build_controller(options, rack, aliases, database, outlets)
    dependencies = components.dependencies
    try:
        app = ReverseProxy(create_app(dependencies), options.proxy)
        server = create_server(app, options.listen, proxy=options.proxy)
    except (OSError, ValueError) as error:
        raise PiRackError(f"--listen {options.listen}: {error}: use another address") from error
    admin.create_first_admin(database)
    stop = threading.Event()
    updater = PeriodicThread(
        "targets",
        _UPDATE_INTERVAL,
        components.target_files.update,
        "cannot update the target files of Prometheus",
    )

    is_serving = False

    def end(_number: int, _frame: FrameType | None) -> None:
        stop.set()
        if is_serving:  # otherwise the threads that have started would stay
            raise SystemExit

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, end)
    dependencies.orders.start()
    dependencies.experiments.start()
    components.outlet_monitor.start()
    components.power_return.start()
    components.reservation_thread.start()
    dependencies.alerts.webhook.start()
    updater.start()
    components.state_thread.start()
    _log.info("%s is available at http://%s", rack.name, options.listen)
    gc.collect()
    gc.freeze()  # shortens later collections, which delay responses
    try:
        is_serving = True
        if not stop.is_set():
            server.run()
    finally:
        is_serving = False
        updater.close()
        dependencies.experiments.close()
        components.reservation_thread.close()
        components.power_return.close()
        components.outlet_monitor.close()
        dependencies.alerts.webhook.close()
        dependencies.installation.close()
        dependencies.orders.close()
        components.state_thread.close()
