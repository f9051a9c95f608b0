"""What can be made wrong with a rasp while the rack runs."""

from enum import StrEnum


class Fault(StrEnum):
    """A fault; several can be on one rasp at once.

    `dead`: no sign of life, whatever its power. `slow`: takes three times as long to boot.
    `hang`: answers ping, and its exporter accepts connections and never answers.
    `reboot-once`: reboots by itself, now, and is then as before. `hot`: its heat hardly gets away.
    `undervoltage`: its supply is too weak. `readonly`: its root file system has gone read-only.
    """

    DEAD = "dead"
    SLOW = "slow"
    HANG = "hang"
    REBOOT_ONCE = "reboot-once"
    HOT = "hot"
    UNDERVOLTAGE = "undervoltage"
    READONLY = "readonly"
