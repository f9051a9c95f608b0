"""Installer: find the stack or the slot of each Raspberry Pi and configure the DHCP server."""

from enum import StrEnum
from typing import Literal

StrategyName = Literal["cut", "one-by-one"]
"""Names of the discovery strategies. `one-by-one` is for rasps that do not reply to ping."""

DEFAULT_STRATEGY: StrategyName = "cut"


class SlotEvidence(StrEnum):
    """What was switched to find the slot of a rasp."""

    OUTLET = "outlet"  # the outlet of the slot alone
    ROW_AND_COLUMN = "row_and_column"  # two groups that have only this outlet in common
