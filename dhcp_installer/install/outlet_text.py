"""Texts about outlets and the rasps found at them, for the steps of an install."""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping

from dhcp_installer import SlotEvidence
from dhcp_installer.discovery.strategy import DiscoveryResult
from rack.layout import Outlet

_EVIDENCE_TEXTS: Mapping[SlotEvidence, str] = {
    SlotEvidence.OUTLET: "their outlets alone",
    SlotEvidence.ROW_AND_COLUMN: "rows and columns of outlets",
}


def describe(outlets: Collection[Outlet]) -> str:
    """Return how many stacks and rasps these outlets power, or the name of the only one."""
    if len(outlets) == 1:
        (outlet,) = outlets
        return outlet_text(outlet)
    stacks = sum(outlet.slot is None for outlet in outlets)
    counts = {"stack": stacks, "slot": len(outlets) - stacks}
    parts = [f"{count} {word}{'s' * (count > 1)}" for word, count in counts.items() if count]
    return " and ".join(parts)


def outlet_text(outlet: Outlet) -> str:
    """Return what an outlet powers: `stack 3` or `slot 03-2`."""
    return f"stack {outlet.stack}" if outlet.slot is None else f"slot {outlet.name}"


def summary_lines(result: DiscoveryResult) -> Iterator[str]:
    """Yield what a discovery has found and not found."""
    placed = sum(map(len, result.stacks.values()))
    yield f"found {placed} rasps in {sum(map(bool, result.stacks.values()))} stacks"
    yield from _slot_lines(result)
    if result.late_cuts:
        yield (
            f"pings were late in {result.late_cuts} cuts, which were repeated:"
            " reduce the load of the master"
        )
    for stack, count in sorted(result.missing_by_stack.items()):
        names = ", ".join(o.name for o in result.missing if o.stack == stack and o.slot is not None)
        yield f"stack {stack}: rasps not found: {count}{names and f' ({names})'}"
    for mac, outlets in sorted(result.conflicts.items()):
        yield f"{mac} gets no slot: {_conflict_text(outlets)}"
    unknown = "slot" if any(o.slot is not None for o in result.outlets) else "stack"
    for mac in sorted(result.unplaced):
        yield f"{mac} gets no slot: its {unknown} is unknown"
    for mac in sorted(result.other_vendor_macs):
        yield f"{mac} gets no slot: it is not a Raspberry Pi"


def _slot_lines(result: DiscoveryResult) -> Iterator[str]:
    """Yield how many slots were found, and the stacks without slots, if the rack has both."""
    evidence = Counter(result.slot_evidence.values())
    methods = [
        f"{evidence[each]} by {text}" for each, text in _EVIDENCE_TEXTS.items() if evidence[each]
    ]
    if not methods:
        return
    yield f"found the slots of {evidence.total()} rasps: {', '.join(methods)}"
    for outlet, macs in result.outlets.items():
        if outlet.slot is None and macs:
            yield (
                f"stack {outlet.stack}: the slots of {len(macs)} rasps are unknown, because they"
                " share an outlet"
            )


def _conflict_text(outlets: Collection[Outlet]) -> str:
    if len(outlets) == 1:
        (outlet,) = outlets
        return f"more than one rasp was detected at the outlet of {outlet_text(outlet)}"
    if all(outlet.slot is None for outlet in outlets):
        numbers = sorted(outlet.stack for outlet in outlets)
        return f"it was detected in stacks {' and '.join(map(str, numbers))}"
    ordered = sorted(outlets, key=lambda outlet: (outlet.stack, outlet.slot or 0))
    return f"it was detected at the outlets of {' and '.join(map(outlet_text, ordered))}"
