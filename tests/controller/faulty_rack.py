"""A rack with devices of all power drivers that have a fault, and what was seen meanwhile."""

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import requests

from tests.controller.api_client import OrderClient, OrderJson
from tests.controller.rack_process import ControllerProcess, RackProcess
from tests.helpers.mixed_layouts import MixedLayout
from tests.helpers.waiting import TIMEOUT_SECONDS, wait_until

POE, SHELLY, TASMOTA, USB, RELAY = range(1, 6)
"""Stacks of a `MixedLayout`."""

DEVICES = (POE, SHELLY, TASMOTA, USB)
"""Stacks whose power source is a device."""

PAGES = (
    "",
    "master",
    *(f"stacks/{stack}" for stack in DEVICES),
    *(f"rasps/{rasp}" for rasp in range(1, 10, 2)),
)
"""Pages of the rack, the master, and the stacks, and of the first rasp of each stack."""


@dataclass(frozen=True)
class FaultCase:
    """A fault, and what it causes.

    Attributes:
        errors: End of the error of an order for each stack that it affects.
        is_readable: Whether outlets can be read although orders fail.
        switched_late: Outlets that switch after their order has failed, because of a lost reply.
    """

    fault: str
    errors: Mapping[int, str]
    is_readable: bool = False
    switched_late: frozenset[str] = frozenset()

    @property
    def unknown(self) -> set[int]:
        """Stacks whose power is unknown as long as the fault lasts."""
        return set() if self.is_readable else set(self.errors)


@dataclass(frozen=True)
class FaultObservations:
    """What was seen of one fault.

    Attributes:
        case: The fault.
        error_prefixes: Outlet and driver with which errors begin, for each rasp.
        orders: Orders for the stacks with devices, during the fault.
        relay: Order for the stack with a relay, at the same time.
        relay_moved_at: Time at which the relay had moved.
        stacks: The stacks during the fault, in the API.
        power_warnings: Warnings about power during the fault, in the API.
        pages: Pages during the fault.
        outlets: Power and moves of all outlets, when the fault was cleared.
        outlets_after: The same, after the devices have replied again.
        stacks_after: The stacks then, in the API.
    """

    case: FaultCase
    error_prefixes: Mapping[str, str]
    orders: Mapping[int, OrderJson]
    relay: OrderJson
    relay_moved_at: float
    stacks: Mapping[int, Any]
    power_warnings: Sequence[Any]
    pages: Mapping[str, str]
    outlets: Mapping[str, Any]
    outlets_after: Mapping[str, Any] = field(repr=False)
    stacks_after: Mapping[int, Any] = field(repr=False)


class FaultyRack:
    """The rack, all of whose outlets are on between two faults.

    Attributes:
        error_prefixes: Outlet and driver with which errors begin, for each rasp.
    """

    def __init__(self, rack: RackProcess, controller: ControllerProcess, layout: MixedLayout):
        self.rack = rack
        self.controller = controller
        self.orders = OrderClient(rack, controller)
        usb = "usb:a (command): "
        tasmota = f"tasmota:{layout.tasmota}"
        self.error_prefixes = {
            "01-1": "poe:1 (snmp 127.0.0.1): ",
            "01-2": "poe:2 (snmp 127.0.0.1): ",
            "02-1": f"shelly:{layout.shelly} (http shelly): ",
            "02-2": f"shelly:{layout.shelly} (http shelly): ",
            "03-1": f"{tasmota} (http tasmota): ",
            "03-2": f"{tasmota}/2 (http tasmota): ",
            "04-1": usb,
            "04-2": usb,
        }

    @property
    def stacks(self) -> Mapping[int, Any]:
        """The stacks with devices, as the API reports them."""
        return {stack["number"]: stack for stack in self.controller.get("stacks")[: len(DEVICES)]}

    def page(self, path: str) -> str:
        response = requests.get(f"{self.controller.url}/{path}", timeout=TIMEOUT_SECONDS)
        response.raise_for_status()
        return html.unescape(response.text)

    def inject(self, fault: str) -> None:
        for stack in DEVICES:
            self.rack.inject_fault(str(stack), fault)

    def switch_off_all(self) -> tuple[Mapping[int, OrderJson], OrderJson]:
        """Switch all stacks off at the same time. Return their orders and the relay's."""
        submitted = {
            stack: self.orders.submit("stacks", id=stack, action="power_off", force=True)
            for stack in DEVICES
        }
        relay = self.orders.run_order("stacks", id=RELAY, action="power_off", force=True)

        def orders() -> Mapping[int, OrderJson]:
            return {stack: self.orders.get_order(order) for stack, order in submitted.items()}

        wait_until(lambda: {order["state"] for order in orders().values()} == {"done"})
        return orders(), relay

    def wait_until_unknown(self, stacks: set[int]) -> None:
        """Wait until the power of these stacks, and of no others, is unknown."""
        wait_until(
            lambda: (
                {number for number, stack in self.stacks.items() if stack["observed"] == "unknown"}
                == stacks
            )
        )

    def wait_until_read(self) -> Mapping[int, Any]:
        """Wait until the power that was read is that of the devices. Return the stacks."""

        def is_read() -> bool:
            power = {name: outlet["power"] for name, outlet in self.rack.outlets.items()}
            return all(
                outlet["observed"] == power[outlet["name"]] and not outlet["error"]
                for stack in self.stacks.values()
                for outlet in stack["outlets"]
            )

        wait_until(is_read)
        return self.stacks

    def heal(self) -> None:
        for stack in DEVICES:
            self.rack.clear_fault(str(stack))

    def switch_on_all(self) -> None:
        submitted = [
            self.orders.submit("stacks", id=stack, action="power_on") for stack in (*DEVICES, RELAY)
        ]
        for order in map(self.orders.wait, submitted):
            assert order["result"] == "ok", order["results"]

    def observe_fault(self, case: FaultCase) -> FaultObservations:
        """Inject a fault, switch all stacks off, clear the fault, and switch all stacks on."""
        self.inject(case.fault)
        self.wait_until_unknown(case.unknown)
        orders, relay = self.switch_off_all()
        [edge] = self.orders.request("GET", f"edges?order={relay['id']}").json()
        self.wait_until_unknown(case.unknown)
        if not case.unknown:
            self.wait_until_read()
        stacks, warnings = self.stacks, self.controller.get("rack")["power_warnings"]
        self.controller.get("master/doctor")  # the page Master does not wait for the checks
        pages = {path: self.page(path) for path in PAGES}
        self.heal()
        outlets = self.rack.outlets
        stacks_after = self.wait_until_read()
        observed = FaultObservations(
            case=case,
            error_prefixes=self.error_prefixes,
            orders=orders,
            relay=relay,
            relay_moved_at=edge["after"]["time"],
            stacks=stacks,
            power_warnings=warnings,
            pages=pages,
            outlets=outlets,
            outlets_after=self.rack.outlets,
            stacks_after=stacks_after,
        )
        self.switch_on_all()
        return observed
