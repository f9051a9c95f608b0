"""Objects of a PoE switch: POWER-ETHERNET-MIB (RFC 3621), and the power of each port in milliwatts.

RFC 3621 has no object for the power of a port. CISCO-POWER-ETHERNET-EXT-MIB has one, which this
switch serves in addition.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import islice

from virtual_rack.outlets.device import DeviceOutlets, OutletRefusedError

Oid = tuple[int, ...]
Variable = tuple[str, int | str]
"""Type, in the words of pass_persist, and value."""

POWER_ETHERNET_MIB: Oid = (1, 3, 6, 1, 2, 1, 105)
CISCO_POWER_ETHERNET_EXT_MIB: Oid = (1, 3, 6, 1, 4, 1, 9, 9, 402)
SUBTREES = (POWER_ETHERNET_MIB, CISCO_POWER_ETHERNET_EXT_MIB)
"""Subtrees that the switch serves."""

PORT_MILLIWATTS: Oid = (*CISCO_POWER_ETHERNET_EXT_MIB, 1, 2, 1, 9)
"""cpeExtPsePortPwrConsumption, followed by group and port."""

_PORT_ENTRY = (*POWER_ETHERNET_MIB, 1, 1, 1)
_MAIN_ENTRY = (*POWER_ETHERNET_MIB, 1, 3, 1, 1)
_ADMIN_ENABLE = (*_PORT_ENTRY, 3)
_DETECTION_STATUS = (*_PORT_ENTRY, 6)
_TRUE, _FALSE = 1, 2  # TruthValue
_DISABLED, _SEARCHING, _DELIVERING_POWER = 1, 2, 3
_CONSTANT_PORT_COLUMNS: dict[int, Variable] = {
    4: ("integer", _FALSE),  # pethPsePortPowerPairsControlAbility
    5: ("integer", 1),  # pethPsePortPowerPairs: signal
    7: ("integer", 3),  # pethPsePortPowerPriority: low
    8: ("counter", 0),  # pethPsePortMPSAbsentCounter
    9: ("string", ""),  # pethPsePortType
    10: ("integer", 5),  # pethPsePortPowerClassifications: class4
}
_ARGUMENT_COUNTS = {"get": 1, "getnext": 1, "set": 2}  # lines of pass_persist
_WATTS_PER_PORT = 30  # IEEE 802.3at


def format_oid(oid: Oid) -> str:
    """Return the text of an OID, with a leading dot."""
    return "".join(f".{number}" for number in oid)


def parse_oid(text: str) -> Oid:
    """Return the numbers of an OID.

    Raises:
        ValueError: If the text is not an OID.
    """
    return tuple(int(number) for number in text.removeprefix(".").split("."))


def port_index(address: str) -> tuple[int, int]:
    """Return group and port of an outlet with the address `PORT` or `GROUP.PORT`."""
    group, _, port = address.rpartition(".")
    return int(group or 1), int(port)


class PowerEthernetMib:
    """The objects of a switch with these outlets, one for each port."""

    def __init__(self, outlets: DeviceOutlets) -> None:
        self._outlets = outlets
        self._address_by_admin_oid = {
            (*_ADMIN_ENABLE, *port_index(address)): address for address in outlets.addresses
        }
        self._variables = dict(self._make_variables())
        self._oids: Sequence[Oid] = sorted(self._variables)

    def get(self, oid: Oid) -> Variable | None:
        """Return the variable with this OID."""
        read = self._variables.get(oid)
        return None if read is None else read()

    def get_next(self, oid: Oid) -> tuple[Oid, Variable] | None:
        """Return the next variable after this OID in the same subtree, with its OID."""
        index = bisect_right(self._oids, oid)
        if index == len(self._oids):
            return None
        found = self._oids[index]
        for subtree in SUBTREES:
            if oid[: len(subtree)] == subtree and found[: len(subtree)] == subtree:
                return found, self._variables[found]()
        return None

    def set(self, oid: Oid, kind: str, value: str) -> str:
        """Set a variable. Return the reply of pass_persist: `DONE` or the name of an error."""
        address = self._address_by_admin_oid.get(oid)
        if address is None:
            return "not-writable"
        if kind != "integer":
            return "wrong-type"
        if value not in {str(_TRUE), str(_FALSE)}:
            return "wrong-value"
        try:
            self._outlets.switch(address, power=value == str(_TRUE))
        except OutletRefusedError:
            return "gen-error"
        return "DONE"

    def _make_variables(self) -> Iterator[tuple[Oid, Callable[[], Variable]]]:
        for address in self._outlets.addresses:
            index = port_index(address)
            yield from self._port_variables(address, index)
        for group in sorted({port_index(address)[0] for address in self._outlets.addresses}):
            yield from self._main_variables(group)

    def _port_variables(
        self, address: str, index: tuple[int, int]
    ) -> Iterator[tuple[Oid, Callable[[], Variable]]]:
        is_on, watts = self._outlets.is_on, self._outlets.watts
        yield (
            (*_ADMIN_ENABLE, *index),
            lambda: ("integer", _TRUE if is_on(address) else _FALSE),
        )
        yield (
            (*_DETECTION_STATUS, *index),
            lambda: ("integer", _detection_status(is_on=is_on(address), watts=watts(address))),
        )
        yield (*PORT_MILLIWATTS, *index), lambda: ("gauge", round(watts(address) * 1000))
        for column, variable in _CONSTANT_PORT_COLUMNS.items():
            yield (*_PORT_ENTRY, column, *index), partial(_constant, variable)

    def _main_variables(self, group: int) -> Iterator[tuple[Oid, Callable[[], Variable]]]:
        addresses = [
            address for address in self._outlets.addresses if port_index(address)[0] == group
        ]
        yield (*_MAIN_ENTRY, 2, group), lambda: ("gauge", _WATTS_PER_PORT * len(addresses))
        yield (*_MAIN_ENTRY, 3, group), lambda: ("integer", 1)  # pethMainPseOperStatus: on
        yield (
            (*_MAIN_ENTRY, 4, group),
            lambda: ("gauge", round(sum(map(self._outlets.watts, addresses)))),
        )


def _constant(variable: Variable) -> Variable:
    return variable


def _detection_status(*, is_on: bool, watts: float) -> int:
    """Return the detection status. A port that is off delivers power if its contact is stuck."""
    if watts > 0:
        return _DELIVERING_POWER
    return _SEARCHING if is_on else _DISABLED


def replies(mib: PowerEthernetMib, lines: Iterator[str]) -> Iterator[str]:
    """Yield the reply to each request of snmpd's pass_persist protocol, see snmpd.conf(5)."""
    for command in lines:
        # An empty line follows the arguments of `set`.
        arguments = list(islice(lines, _ARGUMENT_COUNTS.get(command, 0)))
        match command, arguments:
            case "PING", []:
                yield "PONG\n"
            case "get", [oid]:
                yield _reply(parse_oid(oid), mib.get(parse_oid(oid)))
            case "getnext", [oid]:
                found = mib.get_next(parse_oid(oid))
                yield "NONE\n" if found is None else _reply(*found)
            case "set", [oid, variable]:
                kind, _, value = variable.strip().partition(" ")
                yield f"{mib.set(parse_oid(oid), kind, value)}\n"


def _reply(oid: Oid, variable: Variable | None) -> str:
    if variable is None:
        return "NONE\n"
    kind, value = variable
    return f"{format_oid(oid)}\n{kind}\n{value}\n"
