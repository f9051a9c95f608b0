"""A reservation service on a clock that tests move, and its restarts."""

from collections.abc import Callable, Collection
from pathlib import Path

from controller.audit import Audit
from controller.claims import StackClaims
from controller.reservations.service import ReservationService
from controller.reservations.store import QuotaStore, ReservationStore
from rack.clock import Moment
from rack.database import Database
from rack.layout_file import load
from tests.helpers.layouts import layout_text

BOOT = "first boot"


class ReservationLab:
    """Service of a rack of some stacks with two rasps each.

    Args:
        folder: Folder of the layout and the database.
        stacks: Number of stacks.
        power_on: Called with the stacks of a reservation that ends, or None.
    """

    def __init__(
        self,
        folder: Path,
        stacks: int = 4,
        power_on: Callable[[Collection[int]], None] | None = None,
    ) -> None:
        layout = folder / "rack.toml"
        layout.write_text(layout_text(stacks))
        self.rack = load(layout)
        self.database = Database(folder / "pirack.db")
        self.claims = StackClaims()
        self.boot_id = BOOT
        self.monotonic, self.wall = 1000.0, 1_700_000_000.0
        self.returned: list[tuple[int, ...]] = []
        self._power_on = power_on or self._return_power
        self.service = self.restart()

    def restart(self) -> ReservationService:
        """Return the service of a new controller, as after `kill -9`."""
        self.service = ReservationService(
            self.rack,
            ReservationStore(self.database),
            QuotaStore(self.database),
            self.claims,
            Audit(self.database),
            self._power_on,
            self.boot_id,
            lambda: Moment(self.monotonic, self.wall),
        )
        return self.service

    def pass_time(self, seconds: float) -> None:
        """Move both clocks and let the service act."""
        self.monotonic += seconds
        self.wall += seconds
        self.service.tick()

    def _return_power(self, stacks: Collection[int]) -> None:
        self.returned.append(tuple(stacks))
