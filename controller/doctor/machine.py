"""Check the clock, the memory and the power supply of the master."""

from controller.doctor.finding import Finding, FindingSeverity, NotCheckedError
from controller.master.readings import MasterReadings
from rack.units import format_bytes

CLOCK, MEMORY, SUPPLY = "clock", "memory", "power_supply"

_MIN_MEMORY_RATIO = 0.10  # as the packaged thresholds.yml


def check_clock(is_synchronized: bool | None) -> list[Finding]:
    """Return whether the clock is not synchronized.

    Raises:
        NotCheckedError: If this is unknown.
    """
    if is_synchronized is None:
        raise NotCheckedError(
            "the kernel does not reveal whether the clock is synchronized",
            "run `timedatectl` on the master",
        )
    if is_synchronized:
        return []
    return [
        Finding(
            CLOCK,
            FindingSeverity.WARNING,
            problem="the clock of the master is not synchronized",
            reason="times in the audit log, of orders and of alerts are wrong, and the certificates"
            " of proxies look invalid",
            fix="`sudo apt-get install systemd-timesyncd`, then `sudo timedatectl set-ntp true`."
            " Without a connection to the internet, name a time server in"
            " /etc/systemd/timesyncd.conf. `timedatectl` shows the result",
        )
    ]


def check_memory(readings: MasterReadings) -> list[Finding]:
    """Return whether little memory is available."""
    ratio = readings.memory_available_bytes / readings.memory_total_bytes
    if ratio >= _MIN_MEMORY_RATIO:
        return []
    return [
        Finding(
            MEMORY,
            FindingSeverity.WARNING,
            problem=f"{ratio:.0%} of the memory is available"
            f" ({format_bytes(readings.memory_available_bytes)})",
            reason="the kernel ends processes when no memory is left, for example Prometheus",
            fix="`ps aux --sort=-rss | head` lists the largest processes. End what does not belong"
            " on a master, or reduce --storage.tsdb.retention.time of Prometheus",
        )
    ]


def check_supply(now: list[str] | None, since_boot: list[str] | None) -> list[Finding]:
    """Return under-voltage. Machines without the firmware of a Raspberry Pi report none.

    Args:
        now: Active conditions of the firmware, or None if they are unavailable.
        since_boot: Conditions since the boot.
    """
    if "under_voltage" not in {*(now or ()), *(since_boot or ())}:
        return []
    when = "has" if "under_voltage" in (now or ()) else "had, since its boot,"
    return [
        Finding(
            SUPPLY,
            FindingSeverity.WARNING,
            problem=f"the master {when} too little voltage",
            reason="SD cards lose data, and the master may restart",
            fix="use the official power supply and a short cable, then reboot the master",
        )
    ]
