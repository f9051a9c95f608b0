"""What can be made wrong with a rasp, or with its stack's relay, while the rack runs."""

from enum import StrEnum


class Fault(StrEnum):
    """A fault; several can be on one rasp at once. `stuck-relay` is on all rasps of a stack.

    `dead`: no sign of life, whatever its power. `slow`: takes three times as long to boot.
    `hang`: answers ping, and its exporter accepts connections and never answers.
    `reboot-once`: reboots by itself, now, and is then as before. `hot`: its heat hardly gets away.
    `undervoltage`: its supply is too weak. `readonly`: its root file system has gone read-only.
    `stuck-relay`: its stack's relay stays where it is, whatever it is told.
    `ssh-refuses`: its SSH port is closed. `ssh-hangs`: its SSH server accepts and never answers.
    `ssh-slow`: its SSH server takes three seconds for each answer to an action.
    `new-host-key`: its SSH server shows another host key than its own.
    `wedged`: it answers ping, and nothing else ever: it does not even shut down.
    From its next boot on, `hostile-hostname`: it calls itself what a reader of logs may fall for.
    `foreign-lease`: it asks for the address that it had in another network.
    """

    DEAD = "dead"
    SLOW = "slow"
    HANG = "hang"
    REBOOT_ONCE = "reboot-once"
    HOT = "hot"
    UNDERVOLTAGE = "undervoltage"
    READONLY = "readonly"
    STUCK_RELAY = "stuck-relay"
    SSH_REFUSES = "ssh-refuses"
    SSH_HANGS = "ssh-hangs"
    SSH_SLOW = "ssh-slow"
    NEW_HOST_KEY = "new-host-key"
    WEDGED = "wedged"
    HOSTILE_HOSTNAME = "hostile-hostname"
    FOREIGN_LEASE = "foreign-lease"
