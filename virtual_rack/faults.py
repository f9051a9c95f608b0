"""Faults that can be injected into rasps and relays."""

from enum import StrEnum


class Fault(StrEnum):
    """A fault. A rasp can have several faults. `stuck-relay` affects all rasps of a stack.

    - `dead`: The rasp does not respond, even with power.
    - `slow`: Booting takes three times as long as normal.
    - `hang`: The exporter accepts connections but never responds.
    - `reboot-once`: The rasp reboots once, immediately.
    - `hot`: The cooling is reduced.
    - `undervoltage`: The supply voltage is too low.
    - `readonly`: The root file system is read-only.
    - `stuck-relay`: The relay of the stack does not switch.
    - `ssh-refuses`: The SSH port is closed.
    - `ssh-hangs`: The SSH server accepts connections but never responds.
    - `ssh-slow`: The SSH server delays each action by three seconds.
    - `new-host-key`: The SSH server has a different host key.
    - `wedged`: The rasp responds only to ping, and cannot be shut down.
    - `hung-shutdown`: The rasp accepts a shutdown or reboot, but continues to run.
    - `wrong-clock`: The clock of the rasp shows January 1970. Clearing the fault sets the clock.
    - `hostile`: The exporter and the SSH server attack the master; see `hostile_exporter`.
    - `hostile-hostname`: From the next boot on, the host name imitates log messages of dhcpd.
    - `foreign-lease`: From the next boot on, the rasp requests an address of another network.
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
    HUNG_SHUTDOWN = "hung-shutdown"
    WRONG_CLOCK = "wrong-clock"
    HOSTILE = "hostile"
    HOSTILE_HOSTNAME = "hostile-hostname"
    FOREIGN_LEASE = "foreign-lease"
