"""What the packaged `[actions]` do on a virtual rasp.

None of their commands is run: they would act on the machine that the virtual rack is on.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from exporter.actions import REFUSED, ActionError, choose
from exporter.aliases import Alias
from virtual_rack.board import Board, Request
from virtual_rack.sensors import UNDER_VOLTAGE, Readings

_IDENTIFY_SECONDS = 1.0  # a real rasp blinks for ten


@dataclass(frozen=True, slots=True)
class Answer:
    """What an action prints and how it ends, after some seconds; `then` comes after that."""

    output: str = ""
    complaint: str = ""
    exit_status: int = 0
    seconds: float = 0.0
    then: Callable[[], None] = lambda: None


class Actions:
    """The actions of one virtual rasp.

    Args:
        known: the `[actions]` of its aliases file.
        board: its inside.
        restart_exporter: makes its exporter start anew.
        clock: seconds since the epoch.
    """

    def __init__(
        self,
        known: Mapping[str, Alias],
        board: Board,
        restart_exporter: Callable[[], None],
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._known = known
        self._simulated: Mapping[str, Callable[[], Answer]] = {
            "reboot": lambda: Answer(then=lambda: board.request(Request.REBOOT)),
            "shutdown": lambda: Answer(then=lambda: board.request(Request.HALT)),
            "restart_exporter": lambda: Answer(then=restart_exporter),
            "identify": lambda: Answer(seconds=_IDENTIFY_SECONDS),
            "sync": Answer,
            "failed_units": Answer,
            "uptime": lambda: Answer(_uptime(board.readings(), clock())),
            "warnings": lambda: Answer(_warnings(board.readings())),
        }

    def answer(self, asked: str) -> Answer:
        """Return what `pirack-exporter action` would make of what was asked for."""
        try:
            action = choose(asked, self._known)
        except ActionError as error:
            return Answer(complaint=f"pirack-action: {error}\n", exit_status=REFUSED)
        if action.name in self._simulated:
            return self._simulated[action.name]()
        return Answer(
            complaint=f"the virtual rack does not know what {action.name} does\n", exit_status=1
        )


def _uptime(readings: Readings, now: float) -> str:
    """As uptime(1) has it."""
    minutes = int(readings.uptime // 60)
    days, hours, minutes = minutes // 1440, minutes // 60 % 24, minutes % 60
    since = f"{days} days, " if days else ""
    since += f"{hours:2}:{minutes:02}" if hours else f"{minutes} min"
    load = f"{readings.load1:.2f}"
    moment = time.strftime("%H:%M:%S", time.localtime(now))
    return f" {moment} up {since},  0 users,  load average: {load}, {load}, {load}\n"


def _warnings(readings: Readings) -> str:
    """As journalctl has it."""
    lines = []
    if readings.throttled & UNDER_VOLTAGE:
        lines.append("kernel: hwmon hwmon1: Undervoltage detected!")
    if readings.is_root_readonly:
        lines.append("kernel: EXT4-fs (mmcblk0p2): Remounting filesystem read-only")
    return "".join(f"{line}\n" for line in lines or ["-- No entries --"])
