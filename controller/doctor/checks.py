"""All checks, with the readings that each of them uses."""

import os
import platform
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from controller.doctor import (
    backups,
    certificates,
    config_files,
    dhcp,
    gpio,
    machine,
    network,
    power_sources,
    relays,
    services,
    storage,
    wiring,
)
from controller.doctor.finding import Check, Finding, NotCheckedError
from controller.master.clock import is_time_synchronized
from controller.master.info import decode_conditions, read_throttled
from controller.master.readings import read_master
from controller.master.services import MonitoredService
from controller.options import ControllerOptions
from controller.state.model import RackState
from exporter.listen_address import ListenAddress
from rack.gpio.client import HolderClient, program_digest
from rack.layout import GPIO, Rack

_PIN_FACTORY_VARIABLE = "GPIOZERO_PIN_FACTORY"


@dataclass(frozen=True, kw_only=True)
class DoctorSources:
    """What the checks read.

    Attributes:
        rack: Layout of the rack.
        options: Options of the controller.
        state: Returns the state of the rack.
        rasp_count: Returns the number of installed rasps.
        newest_backup: Returns the time of the newest backup, or None.
        services: Services of the master.
        headers: Headers of requests to Alertmanager and blackbox_exporter.
        relay_error: Returns why the running controller cannot use the relays, or "".
        root: Root of the file system.
        now: Returns seconds since the epoch.
    """

    rack: Rack
    options: ControllerOptions
    state: Callable[[], RackState]
    rasp_count: Callable[[], int]
    newest_backup: Callable[[], float | None]
    services: Sequence[MonitoredService]
    headers: Mapping[str, str]
    relay_error: Callable[[], str] = str
    root: Path = Path("/")
    now: Callable[[], float] = time.time


def all_checks(sources: DoctorSources) -> tuple[Check, ...]:
    """Return all checks. Checks of relays and of Grafana are omitted if there are none."""
    has_relays = bool(sources.rack.outlets_of(GPIO))
    return (
        *(_gpio_checks(sources) if has_relays else ()),
        _power_source_check(sources),
        *_network_checks(sources),
        *_service_checks(sources),
        *_machine_checks(sources),
    )


def _gpio_checks(sources: DoctorSources) -> Iterable[Check]:
    root = sources.root

    def permissions() -> Iterable[Finding]:
        _require_real_pins()
        return gpio.check_permissions(gpio.read_chips(root), has_rule=gpio.has_udev_rule(root))

    def persistence() -> Iterable[Finding]:
        _require_real_pins()
        return gpio.check_persistence(root, platform.release())

    def holder() -> Iterable[Finding]:
        _require_real_pins()
        with closing(HolderClient()) as client:
            return relays.check_holder(client.request, program_digest(), sources.relay_error())

    def pins() -> Iterable[Finding]:
        _require_real_pins()
        with closing(HolderClient()) as client:
            return relays.check_pins(client.request, sources.rack.outlets_of(GPIO))

    yield Check(gpio.PERMISSIONS, "without GPIO, no relay can be switched", permissions)
    yield Check(gpio.PERSISTENCE, "some kernels release the relays", persistence)
    yield Check(relays.HOLDER, "without this process, no relay can be switched", holder)
    yield Check(relays.PINS, "a pin that another program uses moves no relay", pins)
    yield Check(
        wiring.NAME,
        "wrong settings switch stacks on instead of off",
        lambda: wiring.check_wiring(sources.state()),
    )


def _power_source_check(sources: DoctorSources) -> Check:
    return Check(
        power_sources.NAME,
        "without its power source, no outlet can be switched",
        lambda: power_sources.check_power_sources(sources.state()),
    )


def _require_real_pins() -> None:
    factory = os.environ.get(_PIN_FACTORY_VARIABLE, "")
    if factory == "virtual_rack":
        raise NotCheckedError(
            f"{_PIN_FACTORY_VARIABLE}={factory}: the relays are simulated",
            "not needed: the rack is a virtual rack",
        )


def _network_checks(sources: DoctorSources) -> Iterable[Check]:
    options, master = sources.options, sources.rack.network.master
    host = str(ListenAddress.parse(options.listen).host)

    def interface() -> Iterable[Finding]:
        if dhcp.unit_of(options.dhcp_server).removesuffix(".service") != dhcp.DEBIAN_UNIT:
            return ()  # other units do not use the file
        settings = sources.root / dhcp.SETTINGS
        text = settings.read_text(encoding="utf-8") if settings.exists() else None
        return dhcp.check_interface(text, network.read_addresses(), master)

    def other_servers() -> Iterable[Finding]:
        own = {each.address for each in network.read_addresses()} | {master}
        if options.dhcpd_conf.exists():
            text = options.dhcpd_conf.read_text(encoding="utf-8", errors="replace")
            own |= dhcp.server_identifiers(text)
        return dhcp.check_other_servers(dhcp.read_log(options.dhcp_log), own)

    yield Check(
        network.NAME,
        "rasps use the address of the master",
        lambda: network.check_addresses(network.read_addresses(), sources.rack.network, host),
    )
    yield Check(
        dhcp.SERVER,
        "rasps get their addresses from the DHCP server",
        lambda: dhcp.check_server(dhcp.unit_of(options.dhcp_server)),
    )
    yield Check(dhcp.INTERFACE, "dhcpd must serve the network of the rack only", interface)
    yield Check(
        dhcp.OTHER_SERVERS, "another DHCP server gives rasps wrong addresses", other_servers
    )


def _service_checks(sources: DoctorSources) -> Iterable[Check]:
    options = sources.options
    prometheus = options.prometheus.rstrip("/")
    configured = config_files.configured_services(
        prometheus, options.alertmanager, options.blackbox, sources.headers
    )
    yield Check(
        services.STATE,
        "states, alerts and dashboards need these services",
        lambda: services.check_services(sources.services),
    )
    yield Check(
        services.CONFIGURATION,
        "other files of Prometheus leave the states of rasps unknown",
        lambda: services.check_configuration(prometheus),
    )
    yield Check(
        config_files.NAME,
        "a service with an invalid file does not start after a reboot",
        lambda: config_files.check_files(configured),
    )
    if options.grafana:
        yield Check(
            services.DASHBOARDS,
            "pages link to the dashboards",
            lambda: services.check_dashboards(options.grafana),
        )
    yield Check(
        certificates.NAME,
        "browsers and Prometheus refuse expired certificates",
        lambda: _check_certificates(sources),
    )


def _check_certificates(sources: DoctorSources) -> Iterable[Finding]:
    prometheus_yml = sources.options.rack.absolute().parent / "prometheus" / "prometheus.yml"
    yield from certificates.check_files(prometheus_yml)
    if sources.options.proxy:
        for name in sources.rack.access.hosts:
            certificate = certificates.read_proxy_certificate(sources.options.proxy, name)
            yield from certificates.check_proxy(certificate, name)


def _machine_checks(sources: DoctorSources) -> Iterable[Check]:
    folder = sources.options.db.absolute().parent

    def supply() -> Iterable[Finding]:
        bits = read_throttled(sources.root)
        return machine.check_supply(decode_conditions(bits), decode_conditions(bits, 16))

    def backup() -> Iterable[Finding]:
        return backups.check_backup(sources.newest_backup(), sources.now(), sources.rasp_count())

    yield Check(
        machine.CLOCK,
        "times in logs, orders and alerts depend on the clock",
        lambda: machine.check_clock(is_time_synchronized()),
    )
    yield Check(
        storage.DISK,
        "on a full disk, orders are refused",
        partial(storage.check_space, folder),
    )
    yield Check(
        storage.CARD,
        "a failing card loses pirack.db",
        lambda: storage.check_card(storage.read_card(sources.root, folder)),
    )
    yield Check(
        machine.MEMORY,
        "without memory, the kernel ends processes",
        lambda: machine.check_memory(read_master(folder)),
    )
    yield Check(machine.SUPPLY, "under-voltage damages cards", supply)
    yield Check(backups.NAME, "a backup replaces a failed card", backup)
