"""Faults that can be injected into rasps and outlets."""

from enum import StrEnum

from rack.errors import PiRackError


class UnsupportedFaultError(PiRackError):
    """This virtual rack, or an outlet, does not support the requested fault."""


class Fault(StrEnum):
    """A fault. A rasp can have several faults.

    `stuck-relay` and the faults `outlet-…` affect the outlet of the rasp, and thus all rasps that
    share the outlet.

    - `dead`: The rasp does not respond, even with power.
    - `slow`: Booting takes three times as long as normal.
    - `hang`: The exporter accepts connections but never responds.
    - `reboot-once`: The rasp reboots once, immediately.
    - `hot`: The cooling is reduced.
    - `undervoltage`: The supply voltage is too low.
    - `readonly`: The root file system is read-only.
    - `stuck-relay`: The contact of the outlet does not move, whatever the outlet reports.
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
    - `outlet-slow`: The power source of the outlet delays each reply by three seconds.
    - `outlet-refuses`: The outlet refuses to switch.
    - `outlet-lies`: The outlet accepts commands but does not switch.
    - `outlet-away`: The power source of the outlet does not reply. Its outlets keep their power.
    - `outlet-restarts`: The power source of the outlet does not reply for five seconds.
    - `outlet-credentials`: The power source of the outlet requires other credentials.
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
    OUTLET_SLOW = "outlet-slow"
    OUTLET_REFUSES = "outlet-refuses"
    OUTLET_LIES = "outlet-lies"
    OUTLET_AWAY = "outlet-away"
    OUTLET_RESTARTS = "outlet-restarts"
    OUTLET_CREDENTIALS = "outlet-credentials"
