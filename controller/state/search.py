"""Search the rasps of a rack by stack, state and text."""

from collections.abc import Iterable, Sequence

from controller.state.model import RaspState, RaspStatus


def filter_rasps(
    rasps: Iterable[RaspState],
    *,
    stack: int | None = None,
    state: RaspStatus | None = None,
    text: str | None = None,
) -> list[RaspState]:
    """Return the rasps that match all given filters.

    Args:
        rasps: Rasps to filter.
        stack: Number of the stack.
        state: State of the rasp.
        text: Id of the rasp, or its name, host name, place, MAC or IP address. If no rasp has this
            name or address, the text may also be a part of it.
    """
    found = list(rasps) if text is None else _search(list(rasps), text.strip().lower())
    return [
        rasp for rasp in found if stack in {None, rasp.slot.stack} and state in {None, rasp.state}
    ]


def _search(rasps: Sequence[RaspState], text: str) -> list[RaspState]:
    if text.isdecimal():  # most addresses contain short numbers such as "10"
        return [rasp for rasp in rasps if text == str(rasp.slot.id)]
    # The place 1/2 is also a part of 11/2, and the name 01-1 of 01-10.
    named = [rasp for rasp in rasps if text in _names(rasp)]
    return named or [rasp for rasp in rasps if any(text in name for name in _names(rasp))]


def _names(rasp: RaspState) -> list[str]:
    names = [rasp.slot.name, rasp.slot.host_name, rasp.slot.target]
    return names + ([rasp.rasp.mac, str(rasp.rasp.address)] if rasp.rasp else [])
