"""Link from this machine to the network of a namespace rack.

The kernel removes the link when the sandbox of the rack ends.
"""

import socket
import subprocess
import time
from collections.abc import Callable
from ipaddress import IPv4Address
from pathlib import Path

from rack.layout import Rack
from tools.programs import find
from virtual_rack.network_namespace import IpTool, inside
from virtual_rack.outlets import source_devices
from virtual_rack.switch import BRIDGE

_WAIT_SECONDS = 60.0
_POLL_SECONDS = 0.05
_PORT = "uplink"  # at the switch


def connect(rack: Rack, sandbox: "subprocess.Popen[bytes]") -> None:
    """Connect this machine to the switch of a rack that starts. Wait for the switch.

    Args:
        rack: The layout of the rack.
        sandbox: Process that starts in the network namespace of the rack.

    Raises:
        OSError: If the link cannot be created, or the rack does not start.
    """
    ip = IpTool(find("ip"))
    namespace = Path(f"/proc/{sandbox.pid}/ns/net")
    deadline = time.monotonic() + _WAIT_SECONDS
    _wait(lambda: not namespace.samefile("/proc/self/ns/net"), sandbox, deadline)
    name = f"pirack{int(rack.network.subnet.network_address):x}"  # at most 15 characters
    ip.batch(
        [
            f"link add {name} type veth peer name {_PORT} netns {sandbox.pid}",
            f"address add {host_address(rack)}/{rack.network.subnet.prefixlen} dev {name}",
            f"link set {name} up",
        ]
    )
    with inside(namespace):
        _wait(_has_switch, sandbox, deadline)
        ip.batch([f"link set {_PORT} master {BRIDGE}", f"link set {_PORT} up"])


def host_address(rack: Rack) -> IPv4Address:
    """Return the address of this machine, the lowest that the rack does not use."""
    used = {rack.network.master, *(slot.address for slot in rack.slots)}
    used |= {IPv4Address(host) for host in source_devices.hosts(rack) if ":" not in host}
    return next(address for address in rack.network.subnet.hosts() if address not in used)


def _has_switch() -> bool:
    return any(name == BRIDGE for _, name in socket.if_nameindex())


def _wait(
    condition: Callable[[], bool], sandbox: "subprocess.Popen[bytes]", deadline: float
) -> None:
    while not condition():
        if sandbox.poll() is not None or time.monotonic() > deadline:
            raise OSError(0, "the rack does not start", _PORT)
        time.sleep(_POLL_SECONDS)
