"""The traces of an install that did not come to its end: taken back, or completed.

Before an install has decided who sits where, dhcpd.conf goes back to what it was. After that
moment both dhcpd.conf and inventory are made what was decided, for either of them may be so
already. In both cases each stack that the install still has gets the power that it had before.
Doing it twice does no harm, so a kill while it is done does none.
"""

from collections.abc import Callable, Sequence

from dhcp_installer.errors import InstallError
from dhcp_installer.journal import Entry, InstallState
from dhcp_installer.world import World
from rack.errors import RackError

Say = Callable[[str], None]


def settle(world: World, say: Say, state: InstallState = InstallState.INTERRUPTED) -> None:
    """Settle the traces of all installs that were interrupted; that is their state then.

    Raises:
        InstallError, RackError: one cannot be; the text says which, why, and the mend.
    """
    for entry in world.journal.unsettled():
        say(_what_happened(entry))
        try:
            if entry.decided is not None:
                _complete(world, entry, say)
            else:
                take_back(world, entry, say)
        except (InstallError, RackError) as error:
            trouble = f"what {entry.kind} {entry.id} has left cannot be put in order: {error}"
            world.journal.mark(entry.id, InstallState.INTERRUPTED, trouble)
            raise InstallError(trouble) from error
        world.journal.end(entry.id, state, entry.trouble)


def take_back(world: World, entry: Entry, say: Say) -> None:
    """Put dhcpd.conf and the stacks' power back; raises what `settle` raises."""
    if not entry.wrote:  # then no relay was moved either
        return
    try:
        say(_restore(world, entry))
    finally:
        give_back(world, say)


def give_back(world: World, say: Say) -> None:
    """Give the stacks their power back; raises what `Relays.give_back` raises."""
    if stacks := world.relays.give_back():
        say(f"{_named(stacks)} again the power from before")


def _complete(world: World, entry: Entry, say: Say) -> None:
    rasps = entry.decided or ()
    try:
        world.configuration.put_in_force(world.configuration.wanted(rasps))
    except InstallError as error:
        say(f"what was decided cannot be put in force, and is taken back: {error}")
        world.journal.decide(entry.id, None)
        take_back(world, entry, say)
        return
    world.inventory.replace(rasps)
    for remark in world.keep_targets():
        say(remark)
    say(f"dhcpd.conf and inventory are as {entry.kind} {entry.id} had decided")
    give_back(world, say)


def _restore(world: World, entry: Entry) -> str:
    if entry.conf != world.configuration.path:
        return f"{entry.conf} was left as it is: this is about {world.configuration.path}"
    world.configuration.restore(entry.conf_before, world.inventory.rasps().values())
    if entry.conf_before is None:
        return f"{entry.conf}, which is new, has the rasps that were known before"
    return f"{entry.conf} is again as before"


def _what_happened(entry: Entry) -> str:
    steps = entry.steps
    last = f", after `{steps[-1].text}`" if steps else ""
    return f"{entry.kind} {entry.id} was interrupted{last}"


def _named(stacks: Sequence[int]) -> str:
    if len(stacks) == 1:
        return f"stack {stacks[0]} has"
    return f"{len(stacks)} stacks have"
