"""Target files for the service discovery of Prometheus, which reloads changed files.

Format: https://prometheus.io/docs/prometheus/latest/configuration/configuration/#file_sd_config
"""

import json
import logging
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path
from typing import TypedDict

from rack.errors import PiRackError
from rack.files import replace_file
from rack.inventory import Inventory, Rasp
from rack.layout import Rack

_log = logging.getLogger(__name__)


class TargetGroup(TypedDict):
    """Targets (`ADDRESS:PORT`) that share labels."""

    targets: list[str]
    labels: dict[str, str]


@dataclass(frozen=True, slots=True)
class ServiceAddresses:
    """Addresses (`ADDRESS:PORT`) of the services on the master.

    `ping_method` is `icmp`, or `tcp:PORT` if the rasps share the kernel of the master.
    """

    controller: str
    prometheus: str
    blackbox: str
    alertmanager: str
    ping_method: str = "icmp"


def probe_parameters(method: str, address: IPv4Address) -> tuple[str, str]:
    """Return the module and the target of a blackbox_exporter probe.

    Args:
        method: `icmp` or `tcp:PORT`, see `ServiceAddresses`.
        address: Address of the rasp.
    """
    module, _, port = method.partition(":")
    return module, f"{address}:{port}" if port else str(address)


def render(
    rack: Rack,
    rasps: Mapping[tuple[int, int], Rasp],
    services: ServiceAddresses,
    quarantined: Collection[str] = (),
) -> dict[str, list[TargetGroup]]:
    """Return the content of each target file, keyed by file name.

    Rasps of a stack without power stay listed, because their state `off` requires a failed scrape.
    The exporters of quarantined rasps are not listed.
    """
    exporters: list[TargetGroup] = []
    pings: list[TargetGroup] = []
    for slot in rack.slots:
        rasp = rasps.get((slot.stack, slot.number))
        if rasp is None:
            continue
        labels = {
            "rack": rack.name,
            "stack": slot.stack_name,
            "slot": str(slot.number),
            "rasp": slot.name,
        }
        if slot.name not in quarantined:
            exporters.append(
                {"targets": [f"{rasp.address}:{rack.network.exporter_port}"], "labels": labels}
            )
        module, target = probe_parameters(services.ping_method, rasp.address)
        probe_labels = {
            "__param_module": module,
            "__param_target": target,
            "instance": str(rasp.address),
        }
        pings.append({"targets": [services.blackbox], "labels": probe_labels | labels})
    return {
        "rasp.json": exporters,
        "ping.json": pings,
        "controller.json": [_service_target_group(rack, services.controller)],
        "prometheus.json": [_service_target_group(rack, services.prometheus)],
        "alertmanager.json": [_service_target_group(rack, services.alertmanager)],
    }


def _service_target_group(rack: Rack, address: str) -> TargetGroup:
    return {"targets": [address], "labels": {"rack": rack.name}}


class TargetFiles:
    """Target files in a folder, generated from the inventory.

    Args:
        folder: Folder of the files.
        rack: Layout of the rack.
        inventory: Installed rasps.
        services: Addresses of the services on the master.
        quarantined: Returns the names of the quarantined rasps.
    """

    def __init__(
        self,
        folder: Path,
        rack: Rack,
        inventory: Inventory,
        services: ServiceAddresses,
        *,
        quarantined: Callable[[], Collection[str]] = tuple,
    ) -> None:
        self._folder = folder
        self._rack = rack
        self._inventory = inventory
        self._services = services
        self._quarantined = quarantined

    def update(self) -> None:
        """Replace each changed file atomically.

        Raises:
            OSError: If the folder cannot be written.
            DatabaseError: If the inventory cannot be read.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        files = render(self._rack, self._inventory.rasps(), self._services, self._quarantined())
        for name, groups in files.items():
            content = (json.dumps(groups, indent=1) + "\n").encode()
            path = self._folder / name
            if path.exists() and path.read_bytes() == content:
                continue
            replace_file(path, content)
            _log.info("%s: %d targets", path, len(groups))

    def try_update(self) -> list[str]:
        """Update the files. Return a list with the error message, empty on success."""
        try:
            self.update()
        except (OSError, PiRackError) as error:
            return [f"the target files of Prometheus are out of date: {error}"]
        return []
