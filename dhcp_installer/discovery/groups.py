"""Groups of outlets that discovery switches together.

Outlets are arranged in a table whose rows and columns are switched as groups. Each outlet is the
only one in both its row and its column, so that about twice the square root of their number of
cuts shows the outlet of each rasp.
"""

import math
from collections.abc import Collection, Iterable, Sequence

from dhcp_installer import SlotEvidence
from rack.layout import Outlet

Group = tuple[Outlet, ...]

_MAX_OUTLETS_AT_ONCE = 8  # as many rasps as a relay switches on at most in a usual rack


def evidence_of_groups(outlet: Outlet, groups: Collection[Group]) -> SlotEvidence:
    """Return the evidence that groups with a rasp give for its slot at an outlet."""
    return SlotEvidence.OUTLET if (outlet,) in groups else SlotEvidence.ROW_AND_COLUMN


def rows_and_columns(outlets: Sequence[Outlet]) -> tuple[list[Group], list[Group]]:
    """Return the rows and the columns of a table of these outlets."""
    width = math.isqrt(max(0, len(outlets) - 1)) + 1
    rows = [tuple(outlets[start : start + width]) for start in range(0, len(outlets), width)]
    columns = [tuple(outlets[column::width]) for column in range(min(width, len(outlets)))]
    return rows, columns


def batches(outlets: Iterable[Outlet]) -> list[Group]:
    """Return the groups in which to switch on these outlets, so that few rasps start at once.

    An outlet that powers a whole stack is a group by itself.
    """
    groups: list[Group] = []
    for outlet in outlets:
        last = groups[-1] if groups else ()
        is_joinable = len(last) < _MAX_OUTLETS_AT_ONCE and all(o.slot is not None for o in last)
        if last and is_joinable and outlet.slot is not None:
            groups[-1] = (*last, outlet)
        else:
            groups.append((outlet,))
    return groups
