"""The last stages of an install: rasps move to their addresses, and are seen to answer there."""

from collections.abc import Collection, Iterator
from ipaddress import IPv4Address

from dhcp_installer.install.progress import Stage
from dhcp_installer.install.stages import InstallContext
from rack.inventory import Rasp


def renew_leases(context: InstallContext, rasps: Collection[Rasp]) -> None:
    """Cut and power again the stacks of those that have another address now.

    A rasp asks anew when it boots; else it would keep its address for half a lease.

    Raises:
        Stopped: somebody wants the install to stop.
        InstallError, RackError: it cannot go on.
    """
    context.progress.enter_stage(Stage.MOVE)
    given = context.events.leased_addresses
    stacks = sorted({rasp.stack for rasp in rasps if given.get(rasp.mac) != rasp.address})
    if not stacks:
        context.progress.log_step("all rasps have their addresses already")
        return
    rules = context.dependencies.rack.install
    moving = {rasp.mac for rasp in rasps if rasp.stack in stacks}
    context.runner.sync(context.events.addresses_of(moving))
    for stack in stacks:
        context.runner.off(stack)
    context.runner.wait(rules.cut_seconds)
    for stack in stacks:
        context.runner.on(stack)
        if stack != stacks[-1]:
            context.runner.wait(rules.stagger_seconds)
    context.progress.log_step(
        f"{len(stacks)} stacks were cut, so that their rasps ask for their addresses"
    )


def wait_for_rasps(context: InstallContext, rasps: Collection[Rasp]) -> str:
    """Wait for each of these to answer at its address; return which do not, empty if all do.

    Raises:
        Stopped: somebody wants the install to stop.
        InstallError, RackError: it cannot go on.
    """
    timeout = context.dependencies.rack.install.timeout_seconds
    context.progress.enter_stage(Stage.VERIFY)
    until = context.events.now() + timeout
    confirmed: set[IPv4Address] = set()

    def all_are_there() -> bool:
        confirmed.update(context.events.reachable_addresses)
        context.progress.update(
            rasps_found=sum(rasp.address in confirmed for rasp in rasps),
            rasps_total=len(rasps),
            seconds_left=round(max(0.0, until - context.events.now())),
        )
        return all(rasp.address in confirmed for rasp in rasps)

    context.runner.wait(timeout, all_are_there)
    there = [rasp for rasp in rasps if rasp.address in confirmed]
    context.progress.log_step(f"{len(there)} of {len(rasps)} rasps answer at their addresses")
    context.progress.log_steps(context.dependencies.pin_host_keys(there))
    return "; ".join(_problems(context, [rasp for rasp in rasps if rasp.address not in confirmed]))


def _problems(context: InstallContext, unreachable: Collection[Rasp]) -> Iterator[str]:
    given = context.events.leased_addresses
    mute = [rasp for rasp in unreachable if given.get(rasp.mac) == rasp.address]
    if mute:
        yield f"have their addresses, and answer no ping there: {_format_rasps(mute)}"
    if absent := [rasp for rasp in unreachable if rasp not in mute]:
        yield f"have not asked for their addresses: {_format_rasps(absent)}"


def _format_rasps(rasps: Collection[Rasp]) -> str:
    return ", ".join(f"{rasp.stack}/{rasp.slot} ({rasp.address})" for rasp in rasps)
