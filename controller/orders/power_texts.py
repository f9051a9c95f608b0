"""Texts for users about the power of a group."""

from controller.orders.power_group import PowerGroup


def no_rasp(group: PowerGroup) -> str:
    """Return why the power of a group without installed rasps is unknown."""
    place = "slot" if group.slot else "stack"
    return f"the {place} has no installed rasp with which its power could be verified"


def stuck_device(group: PowerGroup) -> str:
    """Return why rasps may have power after a cut."""
    is_relay = group.device == "relay"
    return "the relay is stuck" if is_relay else "the outlet did not cut the power"


def target_to_cycle(group: PowerGroup) -> str:
    """Return what must be power-cycled, so that a rasp that was shut down boots."""
    return "it" if group.slot or group.stack.has_outlet_per_slot else "its stack"


def reasons_for_no_reply(group: PowerGroup, *, was_on: bool) -> str:
    """Return why no rasp of a group may reply, with a colon, a comma or a space before it."""
    check = f"check the {group.device}, wiring, power supply and network switch"
    name = "rasp" if group.slot else "stack"
    if was_on:
        subject = (
            "a rasp that was shut down needs" if group.slot else ("rasps that were shut down need")
        )
        already = "" if group.slot else ", although the stack was already switched on"
        return f"{already}: {subject} a power cycle. If a power cycle does not help, {check}"
    is_relay = group.device == "relay"
    never = "its relay is stuck and never cut" if is_relay else "its outlet never cut"
    halted = "a rasp that was shut down does" if group.slot else "shut-down rasps do"
    return (
        f": either the {name} has no power or network, or {never} the power, without which"
        f" {halted} not boot. {check.capitalize()}"
    )
