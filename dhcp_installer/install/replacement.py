"""Replacement of the board in a known slot."""

from dhcp_installer.discovery.strategy import DiscoveryResult
from dhcp_installer.errors import BoardNotFoundError
from dhcp_installer.install.context import InstallContext
from dhcp_installer.install.outlet_text import outlet_text
from dhcp_installer.install.progress import Stage
from rack.layout import Slot


def wait_for_new_board(context: InstallContext) -> None:
    """Switch the slot on and wait for DHCP activity of a rasp outside the inventory.

    Raises:
        BoardNotFoundError: If no new board appeared in time.
        InstallStoppedError: If the install was stopped.
        PiRackError: If an outlet, the log or ping fails.
    """
    settings = context.dependencies.rack.install
    known = {rasp.mac for rasp in context.dependencies.inventory.rasps().values()}
    context.progress.enter_stage(Stage.WAIT, seconds_left=settings.replace_seconds)
    for outlet in context.outlets:
        if not context.dependencies.outlets.has_power(outlet):
            context.runner.on([outlet])
            context.progress.log_step(f"switched on {outlet_text(outlet)}")
    deadline = context.events.now() + settings.replace_seconds

    def new_board_seen() -> bool:
        context.progress.update(seconds_left=round(deadline - context.events.now()))
        return any(
            mac.startswith(settings.mac_prefixes) and mac not in known
            for mac in context.events.active_macs
        )

    context.progress.log_step("waiting for a new board to request an address")
    context.runner.wait(settings.replace_seconds, new_board_seen)
    if not new_board_seen():
        raise BoardNotFoundError(
            f"no new board requested an address within {settings.replace_seconds:.0f} s:"
            " check that it boots and that its network cable is connected"
        )


def find_new_board(context: InstallContext, slot: Slot, result: DiscoveryResult) -> str:
    """Return the MAC address of the only new rasp at the outlet of the slot.

    Raises:
        BoardNotFoundError: If no new rasp, several new rasps, or still the old board are there.
    """
    inventory = context.dependencies.inventory.rasps()
    (outlet,) = context.outlets
    place = outlet_text(outlet)
    found = result.stacks[slot.stack]
    old = inventory.get((slot.stack, slot.number))
    if old is not None and old.mac in found:
        raise BoardNotFoundError(
            f"{old.mac}, the board of slot {slot.name}, is still in {place}: remove it,"
            " or specify the slot with the new board"
        )
    new = sorted(found - {rasp.mac for rasp in inventory.values()})
    if len(new) != 1:
        macs = f" ({', '.join(new)})" if new else ""
        raise BoardNotFoundError(
            f"{place} has {len(new)} new boards{macs}: replace one board at a time, or run an"
            " install"
        )
    context.progress.log_step(f"{new[0]} is the new board of slot {slot.name}")
    return new[0]
