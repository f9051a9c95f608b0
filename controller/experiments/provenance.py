"""What a run used: the versions of the programs on the master, and the layout of the rack."""

import hashlib
import logging
from collections.abc import Mapping

from controller import __version__
from controller.state.prometheus import Prometheus, PrometheusUnavailableError
from rack.layout import Rack

_log = logging.getLogger(__name__)


def program_versions(prometheus: Prometheus) -> Mapping[str, str]:
    """Return the versions of programs by name. A version that is unknown is missing."""
    versions = {"pirack": __version__}
    try:
        versions["prometheus"] = prometheus.version()
    except PrometheusUnavailableError as error:
        _log.warning("the version of Prometheus is unknown: %s", error)
    return versions


def layout_hash(rack: Rack) -> str:
    """Return the SHA-256 of the stacks, slots and addresses of a rack."""
    text = "\n".join(f"{slot.name} {slot.address}" for slot in rack.slots)
    return hashlib.sha256(f"{rack.name}\n{text}".encode()).hexdigest()
