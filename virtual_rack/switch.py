"""The switch of a rack of namespaces: a bridge that the master and the rasps are on."""

import time
from collections.abc import Callable

from rack.layout import Network
from virtual_rack.network_namespace import NAMESPACES_FOLDER, IpTool, NamespaceThread

BRIDGE = "br0"
"""The switch, and the master's own interface."""


class Switch:
    """Links rasps; it may hold a link that has come up for a time, as spanning trees do.

    Args:
        ip: makes what there is to make.
        hold_seconds: for how long a link is held.
    """

    def __init__(self, ip: IpTool, hold_seconds: float) -> None:
        self._ip = ip
        self._hold_seconds = hold_seconds
        self._held_until: dict[str, float] = {}
        self._namespace_thread = NamespaceThread()

    def create(self, network: Network) -> None:
        """Make the switch, and give the master its address.

        Raises:
            OSError: the kernel does not allow it.
        """
        self._ip.batch(
            [
                "link set lo up",
                f"link add {BRIDGE} type bridge stp_state 0 forward_delay 0 mcast_snooping 0",
                f"address add {network.master}/{network.subnet.prefixlen} dev {BRIDGE}",
                f"link set {BRIDGE} up",
            ]
        )

    def plug_in(self, name: str, mac: str) -> None:
        """Make a rasp's network namespace, and link its eth0.

        Raises:
            OSError: there is one of this name.
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
        """Forward what comes over a link, once it is not to be held any longer."""
        if name in self._held_until and time.monotonic() >= self._held_until[name]:
            self._ip.batch([f"link set {_port(name)} master {BRIDGE}"])
            del self._held_until[name]

    def run_inside(self, name: str, function: Callable[[], None]) -> None:
        """Do something inside of a rasp's network namespace; what that raises is raised here."""
        self._namespace_thread.run_inside(NAMESPACES_FOLDER / name, function)

    def unplug(self, name: str) -> None:
        """Remove a link and its network namespace: nothing comes over it when this returns."""
        self._ip.batch([f"link delete {_port(name)}", f"netns delete {name}"])
        self._held_until.pop(name, None)


def _port(name: str) -> str:
    return name.replace("rasp", "port")
