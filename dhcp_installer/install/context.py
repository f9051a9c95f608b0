"""All of the world that an install reads and changes, passed in as one."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address

from dhcp_installer.dhcpd.config_file import DhcpConfigFile
from dhcp_installer.dhcpd.log_sources import LogSource
from dhcp_installer.discovery.pingers import Pinger
from dhcp_installer.install.journal import Journal
from rack.inventory import Inventory, Rasp
from rack.layout import Rack
from rack.relays import Relays


def _do_nothing(*_: object) -> Sequence[str]:
    return ()


@dataclass(frozen=True)
class InstallDependencies:
    """A rack, and all that an install of it uses.

    `open_log` opens what the DHCP server logs from then on, `make_pinger` whoever pings. `sync` asks the
    rasps at these addresses to write their disks, as far as they let it. `update_prometheus_targets` brings
    Prometheus' target files in step with the inventory. `pin_host_keys` learns the SSH host keys of
    rasps that have just come to their addresses; `move_host_keys` has the known ones go with rasps
    that are still to come to theirs, from an old inventory's addresses to a new one's. These three
    return what people should know. A server that was started anew has `log_start_timeout` to say so in
    its log.
    """

    rack: Rack
    relays: Relays
    inventory: Inventory
    journal: Journal
    configuration: DhcpConfigFile
    open_log: Callable[[], LogSource]
    make_pinger: Callable[[], Pinger]
    sync: Callable[[Collection[IPv4Address]], object] = _do_nothing
    update_prometheus_targets: Callable[[], Sequence[str]] = _do_nothing
    move_host_keys: Callable[[Collection[Rasp], Collection[Rasp]], Sequence[str]] = _do_nothing
    pin_host_keys: Callable[[Collection[Rasp]], Sequence[str]] = _do_nothing
    log_start_timeout: float = 15.0
