"""A new board in a known slot: waited for, and found to be the one that is new in its stack."""

from dhcp_installer.discovery import Findings
from dhcp_installer.errors import NotFound
from dhcp_installer.progress import Stage
from dhcp_installer.stages import Site
from rack.layout import Slot


def wait_for_new_board(site: Site) -> None:
    """Wait until a rasp speaks that is not in the inventory. A stack without power gets it.

    Raises:
        NotFound: none did in time.
        Stopped: somebody wants it to stop.
        InstallError, RackError: it cannot go on.
    """
    rules = site.world.rack.install
    known = {rasp.mac for rasp in site.world.inventory.rasps().values()}
    site.telling.reach(Stage.WAIT, seconds_left=rules.replace_seconds)
    for stack in site.stacks:
        if not site.world.relays.is_on(stack.number):
            site.driver.on(stack.number)
            site.telling.say(f"stack {stack.number} has power")
    until = site.signs.now() + rules.replace_seconds

    def has_come() -> bool:
        site.telling.know(seconds_left=round(until - site.signs.now()))
        return any(
            mac.startswith(rules.mac_prefixes) and mac not in known for mac in site.signs.heard
        )

    site.telling.say("waiting for a new board to ask for an address")
    site.driver.wait(rules.replace_seconds, has_come)
    if not has_come():
        raise NotFound(
            f"no new board asked for an address in {rules.replace_seconds:.0f} s:"
            " see that it boots, and that its network cable is in"
        )


def find_new_board(site: Site, slot: Slot, findings: Findings) -> str:
    """Return the MAC of the one rasp that is new in the slot's stack.

    Raises:
        NotFound: there is none, or more than one, or the slot's old board is still there.
    """
    inventory = site.world.inventory.rasps()
    here = findings.stacks[slot.stack]
    old = inventory.get((slot.stack, slot.number))
    place = f"{slot.stack}/{slot.number}"
    if old is not None and old.mac in here:
        raise NotFound(
            f"{old.mac}, the board of slot {place}, is still in stack {slot.stack}: take it out, or"
            " name the slot whose board you have changed"
        )
    new = sorted(here - {rasp.mac for rasp in inventory.values()})
    if len(new) != 1:
        raise NotFound(
            f"stack {slot.stack} has {len(new)} new boards{(new and ': ' + ', '.join(new)) or ''}:"
            f" replace one at a time, or install anew"
        )
    site.telling.say(f"{new[0]} is the new board of slot {place}")
    return new[0]
