"""Check the DHCP server: its unit, its interface, and other servers on its network."""

import re
import shlex
from collections.abc import Collection, Iterable, Sequence
from ipaddress import IPv4Address
from pathlib import Path

from controller.doctor.finding import Finding, FindingSeverity, NotCheckedError
from controller.doctor.network import InterfaceAddress
from controller.doctor.programs import run_program
from controller.master.services import dhcp_unit
from dhcp_installer.dhcpd.log_events import DhcpMessageType, parse_line
from dhcp_installer.dhcpd.log_sources import journald_message

SERVER, INTERFACE, OTHER_SERVERS = "dhcp_server", "dhcp_interface", "other_dhcp_servers"
DEBIAN_UNIT = "isc-dhcp-server"
SETTINGS = Path("etc/default/isc-dhcp-server")

_REASON = "rasps get no address, and installs fail"
_LOG_PERIOD = "-24h"
_MAX_LOG_LINES = 5000
_MAX_LOG_BYTES = 2**20


def unit_of(dhcp_server: str) -> str:
    """Return the systemd unit in the option --dhcp-server.

    Raises:
        NotCheckedError: If the option names no unit of this machine.
    """
    unit = dhcp_unit(dhcp_server)
    if unit is None:
        raise NotCheckedError(
            f"--dhcp-server {dhcp_server}: the DHCP server is no unit of this machine",
            "check the DHCP server where it runs",
        )
    return unit


def check_server(unit: str) -> list[Finding]:
    """Return whether the unit of the DHCP server runs."""
    command = ["systemctl", "show", unit, "--property=LoadState", "--property=ActiveState"]
    shown = run_program(command)
    state = dict(line.split("=", 1) for line in shown.stdout.splitlines() if "=" in line)
    if shown.returncode != 0 or "ActiveState" not in state:
        reason = "".join(shown.stdout.splitlines()[:1])
        raise NotCheckedError(f"systemd does not respond: {reason}", "run the doctor on the master")
    return judge_server(unit, state.get("LoadState", ""), state["ActiveState"])


def judge_server(unit: str, load_state: str, active_state: str) -> list[Finding]:
    """Return the finding for a unit in these states."""
    if load_state != "loaded":
        fix = "`sudo python3 -m deploy.install_master` installs it"
        return [
            Finding(SERVER, FindingSeverity.ERROR, f"the unit {unit} does not exist", _REASON, fix)
        ]
    if active_state == "active":
        return []
    return [
        Finding(
            SERVER,
            FindingSeverity.ERROR,
            problem=f"the unit {unit} is {active_state}",
            reason=_REASON,
            fix=f"`sudo systemctl restart {unit}`. If it fails, `journalctl -u {unit}` names the"
            " reason",
        )
    ]


def check_interface(
    settings: str | None, interfaces: Sequence[InterfaceAddress], master: IPv4Address
) -> list[Finding]:
    """Return what is wrong with the interfaces of Debian's dhcpd.

    Args:
        settings: Text of /etc/default/isc-dhcp-server, or None if the file does not exist.
        interfaces: Addresses of this machine.
        master: Address of the master on the network of the rack.

    Raises:
        NotCheckedError: If no interface has the address of the master, or the file is invalid.
    """
    right = next((each.name for each in interfaces if each.address == master), None)
    if right is None:
        raise NotCheckedError(
            f"no interface has the address {master}", "fix the finding of `addresses` first"
        )
    served = _served_interfaces(settings or "")
    problem = reason = ""
    severity = FindingSeverity.ERROR
    if not served:
        severity = FindingSeverity.WARNING
        problem = "INTERFACESv4 is empty: dhcpd chooses its interfaces itself"
        reason = "dhcpd may serve another network, whose machines then get wrong addresses"
    elif right not in served:
        problem = f"dhcpd serves {', '.join(served)}, but the network of the rack is at {right}"
        reason = _REASON
    elif others := [name for name in served if name != right]:
        severity = FindingSeverity.WARNING
        problem = f"dhcpd serves {', '.join(others)} besides {right}, the network of the rack"
        reason = "machines of another network may get wrong addresses"
    if not problem:
        return []
    return [
        Finding(
            INTERFACE,
            severity,
            f"/{SETTINGS}: {problem}",
            reason,
            fix=f'set INTERFACESv4="{right}" in /{SETTINGS}, then run `sudo systemctl restart'
            f" {DEBIAN_UNIT}`",
        )
    ]


def _served_interfaces(settings: str) -> list[str]:
    served: list[str] = []
    try:
        for word in shlex.split(settings, comments=True):
            name, separator, value = word.partition("=")
            if separator and name in {"INTERFACESv4", "INTERFACES"}:  # the latter before Debian 9
                served = value.split()
    except ValueError as error:
        raise NotCheckedError(
            f"/{SETTINGS} is invalid: {error}", f"correct the quotes in /{SETTINGS}"
        ) from error
    return served


def read_log(dhcp_log: str) -> list[str]:
    """Return recent lines of the log of --dhcp-log, oldest first.

    Raises:
        NotCheckedError: If the log cannot be read.
    """
    kind, _, location = dhcp_log.partition(":")
    if kind == "file":
        return _tail(Path(location))
    shown = run_program(
        [
            *("journalctl", "--quiet", "--no-pager", "--output=json", f"--since={_LOG_PERIOD}"),
            *(f"--lines={_MAX_LOG_LINES}", "--grep=^DHCPREQUEST", f"--unit={location}"),
            "--reverse",  # newer versions imply it if the lines are limited
        ]
    )
    lines = shown.stdout.splitlines()
    # Without a matching line, the status is 1.
    if shown.returncode != 0 and lines:
        raise NotCheckedError(
            f"the log of {location} cannot be read: {lines[0]}",
            "run `sudo pirack-controller doctor` on the master",
        )
    messages = [message for line in lines if (message := journald_message(line)) is not None]
    return messages[::-1]


def _tail(path: Path) -> list[str]:
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - _MAX_LOG_BYTES))
            return file.read().decode("utf-8", "replace").splitlines()
    except OSError as error:
        raise NotCheckedError(
            f"{path}: {error.strerror}", "name the log of the DHCP server with --dhcp-log"
        ) from error


def check_other_servers(lines: Iterable[str], own: Collection[IPv4Address]) -> list[Finding]:
    """Return the other DHCP servers that clients have chosen.

    dhcpd logs each request on its network, also those to other servers. No client has to be sent a
    request for this check: an own DHCPDISCOVER would reserve an address at each server, and look
    like a client to an install.

    Args:
        lines: Lines of the log of dhcpd, oldest first.
        own: Addresses of this machine, and of dhcpd in its `server-identifier`.
    """
    server_by_mac: dict[str, IPv4Address] = {}
    for line in lines:
        event = parse_line(line, 0.0)
        if event and event.message_type is DhcpMessageType.REQUEST:
            server_by_mac.pop(event.mac, None)  # the latest request of a client counts
            if event.server is not None and event.server not in own:
                server_by_mac[event.mac] = event.server
    clients: dict[IPv4Address, list[str]] = {}
    for mac, server in server_by_mac.items():
        clients.setdefault(server, []).append(mac)
    return [
        Finding(
            OTHER_SERVERS,
            FindingSeverity.ERROR,
            problem=f"another DHCP server, {server}, is on the network of the rack:"
            f" {_some(macs)} chose it",
            reason="rasps get wrong addresses and are then down, and installs do not find them",
            fix=f"disconnect {server} from the network of the rack (often a router), or switch its"
            " DHCP server off. Then restart its clients",
        )
        for server, macs in sorted(clients.items())
    ]


def server_identifiers(dhcpd_conf: str) -> set[IPv4Address]:
    """Return the addresses in the statements `server-identifier` of a dhcpd.conf."""
    addresses = set()
    for text in re.findall(r"^\s*server-identifier\s+([0-9.]+)\s*;", dhcpd_conf, re.MULTILINE):
        try:
            addresses.add(IPv4Address(text))
        except ValueError:
            continue
    return addresses


def _some(macs: Sequence[str], limit: int = 3) -> str:
    more = f" and {len(macs) - limit} more" if len(macs) > limit else ""
    return ", ".join(sorted(macs)[:limit]) + more
