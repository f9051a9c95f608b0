"""The inventory at earlier times, from the journal of installs."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from dhcp_installer.install.journal import InstallKind, InstallState, Journal
from rack.database import Database
from rack.inventory import Rasp
from tests.controller.fakes import INSTALLED

FIRST, SECOND = INSTALLED[1, 1], INSTALLED[1, 2]
PRESENT = {(1, 1): FIRST, (1, 2): SECOND}

Inventory = Mapping[tuple[int, int], Rasp]


class Installs:
    """Journal whose clock a test sets."""

    def __init__(self, folder: Path) -> None:
        self.now = 0.0
        self.journal = Journal(Database(folder / "pirack.db"), clock=lambda: self.now)

    def install(self, start: float, end: float, *rasps: Rasp) -> None:
        """Record an install that replaced the inventory, or none without rasps."""
        self.now = start
        number = self.journal.create(InstallKind.INSTALL, "cut", "otto", Path("dhcpd.conf"))
        if rasps:
            self.journal.record_assignment(number, rasps)
        self.now = end
        self.journal.finish(number, InstallState.DONE if rasps else InstallState.FAILED)

    def inventory_at(self, time: float) -> Inventory | None:
        return self.journal.inventory_at(time, PRESENT)


@pytest.fixture
def installs(tmp_path: Path) -> Installs:
    return Installs(tmp_path)


def test_inventory_is_the_present_one_since_the_last_install(installs: Installs) -> None:
    assert installs.inventory_at(50) == PRESENT
    installs.install(100, 110, FIRST, SECOND)
    assert installs.inventory_at(110) == PRESENT
    installs.install(200, 210)
    assert installs.inventory_at(150) == PRESENT


def test_inventory_of_an_earlier_time_is_that_of_the_install_before(installs: Installs) -> None:
    installs.install(100, 110, FIRST)
    installs.install(200, 210, FIRST, SECOND)
    assert installs.inventory_at(150) == {(1, 1): FIRST}


def test_inventory_before_and_during_installs_is_unknown(installs: Installs) -> None:
    installs.install(100, 110, FIRST)
    installs.install(200, 210, FIRST, SECOND)
    assert installs.inventory_at(99) is None
    assert installs.inventory_at(205) is None
