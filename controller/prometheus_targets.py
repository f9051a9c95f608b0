"""The target files: who Prometheus shall scrape. It reads them anew whenever they change.

Format: https://prometheus.io/docs/prometheus/latest/configuration/configuration/#file_sd_config
"""

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from controller.orders.blackbox_client import probe_parameters
from rack.errors import RackError
from rack.inventory import Inventory, Rasp
from rack.layout import Rack

_log = logging.getLogger(__name__)


class TargetGroup(TypedDict):
    """Targets (`ADDRESS:PORT`) that share labels."""

    targets: list[str]
    labels: dict[str, str]


@dataclass(frozen=True, slots=True)
class ServiceAddresses:
    """Where the services on the master are reached, `ADDRESS:PORT` each, and how a rasp is pinged.

    `ping_method` is `icmp`, or `tcp:PORT` on a rack whose rasps share the master's kernel.
    """

    controller: str
    prometheus: str
    blackbox: str
    alertmanager: str
    ping_method: str = "icmp"


def render(
    rack: Rack, rasps: Mapping[tuple[int, int], Rasp], services: ServiceAddresses
) -> dict[str, list[TargetGroup]]:
    """Return the content of each target file, by its name.

    A rasp whose stack is off stays listed: that it does not answer is what makes it `off`.
    """
    exporters: list[TargetGroup] = []
    pings: list[TargetGroup] = []
    for slot in rack.slots:
        rasp = rasps.get((slot.stack, slot.number))
        if rasp is None:
            continue
        place = {
            "rack": rack.name,
            "stack": f"{slot.stack:02}",
            "slot": str(slot.number),
            "rasp": slot.name,
        }
        exporters.append(
            {"targets": [f"{rasp.address}:{rack.network.exporter_port}"], "labels": place}
        )
        module, target = probe_parameters(services.ping_method, rasp.address)
        asked = {
            "__param_module": module,
            "__param_target": target,
            "instance": str(rasp.address),
        }
        pings.append({"targets": [services.blackbox], "labels": asked | place})
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
    """The target files in `folder`, kept in step with the inventory."""

    def __init__(
        self, folder: Path, rack: Rack, inventory: Inventory, services: ServiceAddresses
    ) -> None:
        self._folder = folder
        self._rack = rack
        self._inventory = inventory
        self._services = services

    def update(self) -> None:
        """Write what has changed; Prometheus sees a file's old content or its new one.

        Raises:
            OSError: the folder cannot be written.
            DatabaseError: the inventory cannot be read.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        content = render(self._rack, self._inventory.rasps(), self._services)
        for name, groups in content.items():
            text = json.dumps(groups, indent=1) + "\n"
            path = self._folder / name
            if path.exists() and path.read_text(encoding="utf-8") == text:
                continue
            fresh = path.with_name(f".{name}.new")
            fresh.write_text(text, encoding="utf-8")
            fresh.replace(path)
            _log.info("%s: %d targets", path, len(groups))

    def try_update(self) -> list[str]:
        """Write what has changed; return why that cannot be, nothing where it was done."""
        try:
            self.update()
        except (OSError, RackError) as error:
            return [f"Prometheus' target files are not up to date: {error}"]
        return []
