"""All of the world that an install reads and changes, passed in as one."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address

from dhcp_installer.configuration import Configuration
from dhcp_installer.journal import Journal
from dhcp_installer.log_sources import LogSource
from dhcp_installer.pings import Pinger
from rack.inventory import Inventory, Rasp
from rack.layout import Rack
from rack.relays import Relays


def _nothing(*_: object) -> Sequence[str]:
    return ()


@dataclass(frozen=True)
class World:
    """A rack, and all that an install of it uses.

    `log` opens what the DHCP server logs from then on, `pinger` whoever pings. `sync` asks the
    rasps at these addresses to write their disks, as far as they let it. `keep_targets` brings
    Prometheus' target files in step with the inventory. `pin_host_keys` learns the SSH host keys of
    rasps that have just come to their addresses; `move_host_keys` has the known ones go with rasps
    that are still to come to theirs, from an old inventory's addresses to a new one's. These three
    return what people should know. A server that was started anew has `log_seconds` to say so in
    its log.
    """

    rack: Rack
    relays: Relays
    inventory: Inventory
    journal: Journal
    configuration: Configuration
    log: Callable[[], LogSource]
    pinger: Callable[[], Pinger]
    sync: Callable[[Collection[IPv4Address]], object] = _nothing
    keep_targets: Callable[[], Sequence[str]] = _nothing
    move_host_keys: Callable[[Collection[Rasp], Collection[Rasp]], Sequence[str]] = _nothing
    pin_host_keys: Callable[[Collection[Rasp]], Sequence[str]] = _nothing
    log_seconds: float = 15.0
