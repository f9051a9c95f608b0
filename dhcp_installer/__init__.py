"""Installer: find the stack of each Raspberry Pi and configure the DHCP server."""

from typing import Literal

StrategyName = Literal["cut", "one-by-one"]
"""Names of the discovery strategies. `one-by-one` is for rasps that do not reply to ping."""

DEFAULT_STRATEGY: StrategyName = "cut"
