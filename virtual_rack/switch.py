"""Network switch of a namespace rack, a bridge that connects the master and the rasps."""

import fcntl
import struct
import time
from collections.abc import Callable, Collection
from socket import AF_INET, SOCK_DGRAM, socket

from rack.settings import Network
from virtual_rack.network_namespace import NAMESPACES_FOLDER, IpTool, NamespaceThread

BRIDGE = "br0"
"""Name of the bridge, which is also the master's interface."""

_SET_FLAGS = 0x8914  # SIOCSIFFLAGS, see netdevice(7)


class Switch:
    """A switch that can delay forwarding on new links, as the spanning tree protocol does.

    Args:
        ip: Tool that creates links and namespaces.
        hold_seconds: Delay before the switch forwards packets on a new link.
    """

    def __init__(self, ip: IpTool, hold_seconds: float) -> None:
        self._ip = ip
        self._hold_seconds = hold_seconds
        self._held_until: dict[str, float] = {}
        self._namespace_thread = NamespaceThread()

    def create(self, network: Network, devices: Collection[str]) -> None:
        """Create the bridge with the addresses of the master and of other devices.

        Args:
            network: Network of the rack.
            devices: IP addresses of devices that this process simulates.

        Raises:
            OSError: If ip(8) fails.
        """
        self._ip.batch(
            [
                "link set lo up",
                f"link add {BRIDGE} type bridge stp_state 0 forward_delay 0 mcast_snooping 0",
                f"address add {network.master}/{network.subnet.prefixlen} dev {BRIDGE}",
                *(f"address add {address} dev {BRIDGE}" for address in devices),
                f"link set {BRIDGE} up",
            ]
        )

    def plug_in(self, name: str, mac: str) -> None:
        """Create the network namespace of a rasp and connect its eth0 to the switch.

        Raises:
            OSError: If the namespace already exists.
        """
        port = _port(name)
        self._ip.batch(
            [
                f"netns add {name}",
                f"link add {port} type veth peer name eth0 address {mac} netns {name}",
                f"link set {port} up",
            ]
        )
        self._held_until[name] = time.monotonic() + self._hold_seconds
        self.release_held_link(name)

    def release_held_link(self, name: str) -> None:
        """Start forwarding on a link if its delay has elapsed."""
        if name in self._held_until and time.monotonic() >= self._held_until[name]:
            self._ip.batch([f"link set {_port(name)} master {BRIDGE}"])
            del self._held_until[name]

    def run_inside(self, name: str, function: Callable[[], None]) -> None:
        """Run a function in a rasp's network namespace. Propagate exceptions of the function."""
        self._namespace_thread.run_inside(NAMESPACES_FOLDER / name, function)

    def cut_link(self, name: str) -> None:
        """Take a link down, faster than `unplug`, which must follow.

        Raises:
            OSError: If the link does not exist.
        """
        with socket(AF_INET, SOCK_DGRAM) as control:
            fcntl.ioctl(control, _SET_FLAGS, struct.pack("16sh22x", _port(name).encode(), 0))

    def unplug(self, name: str) -> None:
        """Remove a link and its network namespace."""
        self._ip.batch([f"link delete {_port(name)}", f"netns delete {name}"])
        self._held_until.pop(name, None)


def _port(name: str) -> str:
    return name.replace("rasp", "port")
