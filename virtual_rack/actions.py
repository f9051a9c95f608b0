"""Simulated `[actions]` of a virtual rasp.

The commands of the actions are not executed, because they would affect the host.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from exporter.actions import EXIT_REFUSED, UnknownActionError, resolve_action
from exporter.aliases import Alias
from virtual_rack.board import Board, SystemRequest
from virtual_rack.sensors import UNDER_VOLTAGE, SensorReadings

_IDENTIFY_SECONDS = 1.0  # the LED of a real rasp blinks for ten seconds


@dataclass(frozen=True, slots=True)
class SimulatedResult:
    """Output, exit status and duration of an action. `on_finished` is called after the action."""

    output: str = ""
    error_output: str = ""
    exit_status: int = 0
    seconds: float = 0.0
    on_finished: Callable[[], None] = lambda: None


class SimulatedActions:
    """The actions of one virtual rasp.

    Args:
        configured: The `[actions]` of the aliases file.
        board: Board of the rasp.
        restart_exporter: Function that restarts the exporter.
    """

    def __init__(
        self,
        configured: Mapping[str, Alias],
        board: Board,
        restart_exporter: Callable[[], None],
    ) -> None:
        self._configured = configured
        self._simulated: Mapping[str, Callable[[], SimulatedResult]] = {
            "reboot": lambda: SimulatedResult(
                on_finished=lambda: board.request(SystemRequest.REBOOT)
            ),
            "shutdown": lambda: SimulatedResult(
                on_finished=lambda: board.request(SystemRequest.HALT)
            ),
            "restart_exporter": lambda: SimulatedResult(on_finished=restart_exporter),
            "identify": lambda: SimulatedResult(seconds=_IDENTIFY_SECONDS),
            "sync": SimulatedResult,
            "failed_units": SimulatedResult,
            "uptime": lambda: SimulatedResult(_uptime(board.readings())),
            "warnings": lambda: SimulatedResult(_warnings(board.readings())),
        }

    def run(self, requested: str) -> SimulatedResult:
        """Return the simulated result of `pirack-exporter action`."""
        try:
            action = resolve_action(requested, self._configured)
        except UnknownActionError as error:
            return SimulatedResult(
                error_output=f"pirack-action: {error}\n", exit_status=EXIT_REFUSED
            )
        if action.name in self._simulated:
            return self._simulated[action.name]()
        return SimulatedResult(
            error_output=f"the virtual rack does not simulate the action {action.name}\n",
            exit_status=1,
        )


def _uptime(readings: SensorReadings) -> str:
    """Return the simulated output of uptime(1), with the time of the rasp's own clock."""
    minutes = int(readings.uptime // 60)
    days, hours, minutes = minutes // 1440, minutes // 60 % 24, minutes % 60
    since = f"{days} days, " if days else ""
    since += f"{hours:2}:{minutes:02}" if hours else f"{minutes} min"
    load = f"{readings.load1:.2f}"
    local_time = time.strftime("%H:%M:%S", time.localtime(readings.boot_time + readings.uptime))
    return f" {local_time} up {since},  0 users,  load average: {load}, {load}, {load}\n"


def _warnings(readings: SensorReadings) -> str:
    """Return the simulated output of journalctl."""
    lines = []
    if readings.throttled & UNDER_VOLTAGE:
        lines.append("kernel: hwmon hwmon1: Undervoltage detected!")
    if readings.is_root_readonly:
        lines.append("kernel: EXT4-fs (mmcblk0p2): Remounting filesystem read-only")
    return "".join(f"{line}\n" for line in lines or ["-- No entries --"])
