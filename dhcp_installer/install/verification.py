"""Last stages of an install, in which rasps request their new addresses and reply to pings."""

from collections.abc import Collection, Iterator
from ipaddress import IPv4Address

from dhcp_installer.discovery.groups import batches
from dhcp_installer.install.context import InstallContext
from dhcp_installer.install.outlet_text import describe
from dhcp_installer.install.progress import Stage
from rack.inventory import Rasp
from rack.layout import Outlet


def renew_leases(context: InstallContext, rasps: Collection[Rasp]) -> None:
    """Power-cycle the outlets of rasps with a new address, so that these rasps request it.

    Without a boot, a rasp keeps its old address for up to half of the lease time.

    Raises:
        InstallStoppedError: If the install was stopped.
        PiRackError: If an outlet, the log or ping fails.
    """
    context.progress.enter_stage(Stage.RENEW)
    leased = context.events.leased_addresses
    outlet_by_mac = {rasp.mac: _outlet_of(context, rasp) for rasp in rasps}
    to_cycle = {outlet_by_mac[rasp.mac] for rasp in rasps if leased.get(rasp.mac) != rasp.address}
    outlets = [outlet for outlet in context.outlets if outlet in to_cycle]
    if not outlets:
        context.progress.log_step("all rasps already have their addresses")
        return
    settings = context.dependencies.rack.install
    affected = {mac for mac, outlet in outlet_by_mac.items() if outlet in to_cycle}
    context.runner.sync(context.events.addresses_of(affected))
    context.runner.off(outlets)
    context.runner.wait(settings.cut_seconds)
    first, *others = batches(outlets)
    context.runner.on(first)
    for batch in others:
        context.runner.wait(settings.stagger_seconds)
        context.runner.on(batch)
    context.progress.log_step(
        f"power-cycled {describe(outlets)} so that their rasps request their new addresses"
    )


def _outlet_of(context: InstallContext, rasp: Rasp) -> Outlet:
    stack = context.dependencies.rack.stack(rasp.stack)
    return stack.outlet_of(stack.slots[rasp.slot - 1])


def wait_for_rasps(context: InstallContext, rasps: Collection[Rasp]) -> str:
    """Wait until each rasp replies at its address. Return the problems, empty if none.

    Raises:
        InstallStoppedError: If the install was stopped.
        PiRackError: If the log or ping fails.
    """
    timeout = context.dependencies.rack.install.timeout_seconds
    context.progress.enter_stage(Stage.VERIFY)
    deadline = context.events.now() + timeout
    confirmed: set[IPv4Address] = set()

    def all_confirmed() -> bool:
        confirmed.update(context.events.reachable_addresses)
        context.progress.update(
            rasps_found=sum(rasp.address in confirmed for rasp in rasps),
            rasps_total=len(rasps),
            seconds_left=round(max(0.0, deadline - context.events.now())),
        )
        return all(rasp.address in confirmed for rasp in rasps)

    context.runner.wait(timeout, all_confirmed)
    reachable = [rasp for rasp in rasps if rasp.address in confirmed]
    context.progress.log_step(f"{len(reachable)} of {len(rasps)} rasps reply at their addresses")
    context.progress.log_steps(context.dependencies.pin_host_keys(reachable))
    return "; ".join(_problems(context, [rasp for rasp in rasps if rasp not in reachable]))


def _problems(context: InstallContext, unreachable: Collection[Rasp]) -> Iterator[str]:
    leased = context.events.leased_addresses
    not_replying = [rasp for rasp in unreachable if leased.get(rasp.mac) == rasp.address]
    if not_replying:
        yield f"no ping reply at the leased address: {_format_rasps(not_replying)}"
    if not_requested := [rasp for rasp in unreachable if rasp not in not_replying]:
        yield f"no DHCP request for the assigned address: {_format_rasps(not_requested)}"


def _format_rasps(rasps: Collection[Rasp]) -> str:
    return ", ".join(f"{rasp.name} ({rasp.address})" for rasp in rasps)
