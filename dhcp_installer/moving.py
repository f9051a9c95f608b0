"""The last stages of an install: rasps move to their addresses, and are seen to answer there."""

from collections.abc import Collection, Iterator
from ipaddress import IPv4Address

from dhcp_installer.progress import Stage
from dhcp_installer.stages import Site
from rack.inventory import Rasp


def move(site: Site, rasps: Collection[Rasp]) -> None:
    """Cut and power again the stacks of those that have another address now.

    A rasp asks anew when it boots; else it would keep its address for half a lease.

    Raises:
        Stopped: somebody wants the install to stop.
        InstallError, RackError: it cannot go on.
    """
    site.telling.reach(Stage.MOVE)
    given = site.signs.given
    stacks = sorted({rasp.stack for rasp in rasps if given.get(rasp.mac) != rasp.address})
    if not stacks:
        site.telling.say("all rasps have their addresses already")
        return
    rules = site.world.rack.install
    moving = {rasp.mac for rasp in rasps if rasp.stack in stacks}
    site.driver.sync(site.signs.addresses_of(moving))
    for stack in stacks:
        site.driver.off(stack)
    site.driver.wait(rules.cut_seconds)
    for stack in stacks:
        site.driver.on(stack)
        if stack != stacks[-1]:
            site.driver.wait(rules.stagger_seconds)
    site.telling.say(f"{len(stacks)} stacks were cut, so that their rasps ask for their addresses")


def verify(site: Site, rasps: Collection[Rasp]) -> str:
    """Wait for each of these to answer at its address; return which do not, empty if all do.

    Raises:
        Stopped: somebody wants the install to stop.
        InstallError, RackError: it cannot go on.
    """
    timeout = site.world.rack.install.timeout_seconds
    site.telling.reach(Stage.VERIFY)
    until = site.signs.now() + timeout
    confirmed: set[IPv4Address] = set()

    def all_are_there() -> bool:
        confirmed.update(site.signs.answering_addresses)
        site.telling.know(
            rasps_found=sum(rasp.address in confirmed for rasp in rasps),
            rasps_total=len(rasps),
            seconds_left=round(max(0.0, until - site.signs.now())),
        )
        return all(rasp.address in confirmed for rasp in rasps)

    site.driver.wait(timeout, all_are_there)
    there = [rasp for rasp in rasps if rasp.address in confirmed]
    site.telling.say(f"{len(there)} of {len(rasps)} rasps answer at their addresses")
    site.telling.say_all(site.world.pin_host_keys(there))
    return "; ".join(_troubles(site, [rasp for rasp in rasps if rasp.address not in confirmed]))


def _troubles(site: Site, silent: Collection[Rasp]) -> Iterator[str]:
    given = site.signs.given
    mute = [rasp for rasp in silent if given.get(rasp.mac) == rasp.address]
    if mute:
        yield f"have their addresses, and answer no ping there: {_names(mute)}"
    if absent := [rasp for rasp in silent if rasp not in mute]:
        yield f"have not asked for their addresses: {_names(absent)}"


def _names(rasps: Collection[Rasp]) -> str:
    return ", ".join(f"{rasp.stack}/{rasp.slot} ({rasp.address})" for rasp in rasps)
