"""A new board in a known slot: waited for, and found to be the one that is new in its stack."""

from dhcp_installer.discovery.strategy import DiscoveryResult
from dhcp_installer.errors import BoardNotFoundError
from dhcp_installer.install.progress import Stage
from dhcp_installer.install.stages import InstallContext
from rack.layout import Slot


def wait_for_new_board(context: InstallContext) -> None:
    """Wait until a rasp speaks that is not in the inventory. A stack without power gets it.

    Raises:
        NotFound: none did in time.
        Stopped: somebody wants it to stop.
        InstallError, RackError: it cannot go on.
    """
    rules = context.dependencies.rack.install
    known = {rasp.mac for rasp in context.dependencies.inventory.rasps().values()}
    context.progress.enter_stage(Stage.WAIT, seconds_left=rules.replace_seconds)
    for stack in context.stacks:
        if not context.dependencies.relays.is_on(stack.number):
            context.runner.on(stack.number)
            context.progress.log_step(f"stack {stack.number} has power")
    until = context.events.now() + rules.replace_seconds

    def has_come() -> bool:
        context.progress.update(seconds_left=round(until - context.events.now()))
        return any(
            mac.startswith(rules.mac_prefixes) and mac not in known
            for mac in context.events.active_macs
        )

    context.progress.log_step("waiting for a new board to ask for an address")
    context.runner.wait(rules.replace_seconds, has_come)
    if not has_come():
        raise BoardNotFoundError(
            f"no new board asked for an address in {rules.replace_seconds:.0f} s:"
            " see that it boots, and that its network cable is in"
        )


def find_new_board(context: InstallContext, slot: Slot, result: DiscoveryResult) -> str:
    """Return the MAC of the one rasp that is new in the slot's stack.

    Raises:
        NotFound: there is none, or more than one, or the slot's old board is still there.
    """
    inventory = context.dependencies.inventory.rasps()
    here = result.stacks[slot.stack]
    old = inventory.get((slot.stack, slot.number))
    place = f"{slot.stack}/{slot.number}"
    if old is not None and old.mac in here:
        raise BoardNotFoundError(
            f"{old.mac}, the board of slot {place}, is still in stack {slot.stack}: take it out, or"
            " name the slot whose board you have changed"
        )
    new = sorted(here - {rasp.mac for rasp in inventory.values()})
    if len(new) != 1:
        raise BoardNotFoundError(
            f"stack {slot.stack} has {len(new)} new boards{(new and ': ' + ', '.join(new)) or ''}:"
            f" replace one at a time, or install anew"
        )
    context.progress.log_step(f"{new[0]} is the new board of slot {place}")
    return new[0]
