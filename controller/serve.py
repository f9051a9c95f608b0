"""Start of the controller's server, which claims the relays first.

After a boot of the master, stacks that are off have power until their relays are claimed. This
module therefore imports only what the claim needs.
"""

import logging
from contextlib import closing

from controller.options import ControllerOptions
from exporter.aliases import AliasesError
from exporter.aliases import load as load_aliases
from rack.database import Database
from rack.errors import PiRackError
from rack.layout import GPIO, Rack
from rack.layout_file import load
from rack.lock import CONTROLLER, exclusive_access
from rack.power.outlets import Outlets

_log = logging.getLogger("controller")


def serve(options: ControllerOptions) -> None:
    """Claim the relays, then serve the API and the pages until SIGTERM or SIGINT.

    Raises:
        PiRackError: If the configuration is invalid, or another controller uses the database.
    """
    rack = load(options.rack)
    try:
        aliases = load_aliases(options.aliases)
    except AliasesError as error:
        raise PiRackError(str(error)) from error
    with exclusive_access(options.db, CONTROLLER):
        database = Database(options.db)
        with database.kept_open(), closing(Outlets(rack, database)) as outlets:
            _log_claim(rack, outlets)
            from controller.server_process import (  # noqa: PLC0415 - takes seconds to load
                run_server,
            )

            run_server(options, rack, aliases, database, outlets)


def _log_claim(rack: Rack, outlets: Outlets) -> None:
    for error in outlets.source_errors.values():
        _log.warning("%s: the power of the stacks is unknown", error)
    if (relays := rack.outlets_of(GPIO)) and GPIO not in outlets.source_errors:
        _log.info("%d relays are claimed", len(relays))
