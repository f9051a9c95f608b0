"""A room whose rack a real Prometheus and a real blackbox_exporter watch, with much that is wrong.

01-1 is dead and 01-2 hot; 02-1 has too weak a supply and 02-2 a root file system that is read-only;
stack 3 is switched off; one alias fails on every rasp. Alerts come at once.
"""

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests

from controller.roles import Role
from controller.tokens import Tokens
from exporter.aliases import DEFAULT_PATH
from rack.database import Database
from tests.controller.room import ROOT, Controller, Room
from tests.waiting import free_port, until
from virtual_rack import control
from virtual_rack.programs import find
from virtual_rack.services import Running, Service, stop_all
from virtual_rack.time_lapse import faster

_FAILING = "\n[broken]\n# A sensor that is not there.\nsensor = exit 1\n"
_FAULTS = {"1/1": "dead", "1/2": "hot", "2/1": "undervoltage", "2/2": "readonly"}
_AT_ONCE = 100_000


class WatchedRoom(Room):
    """A room with its watchers."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, contact="normally_closed")
        self.blackbox = free_port()
        self._watchers: list[Running] = []
        self._token = ""

    def words(self, port: int) -> list[str]:
        conf, log = self.folder / "dhcpd.conf", self.folder / "dhcpd.log"
        conf.touch()
        log.touch()
        return [
            *super().words(port),
            *("--blackbox", f"127.0.0.1:{self.blackbox}", "--dhcpd-conf", str(conf)),
            *("--dhcp-server", "watching", "--dhcp-log", f"file:{log}"),
        ]

    @property
    def pins(self) -> Mapping[str, str]:
        """As of any room, and the DHCP server by which an install checks what it writes."""
        dhcpd = find("dhcpd")
        path = os.pathsep.join((str(dhcpd.path.parent), os.environ["PATH"]))
        return {**super().pins, **dhcpd.settings, "PATH": path}

    def write_aliases(self) -> Path:
        file = self.folder / "aliases.ini"
        file.write_text(DEFAULT_PATH.read_text(encoding="utf-8") + _FAILING)
        return file

    def demand(
        self, controller: Controller, path: str, method: str = "POST", **wanted: object
    ) -> None:
        """Demand something of the controller, as a program does."""
        if not self._token:
            database = Database(self.state / "pirack.db")
            self._token = Tokens(database).add("dashboards", Role.OPERATOR)
        answer = requests.request(
            method,
            f"{controller.url}/api/v1.0/{path}",
            json=wanted if method == "POST" else None,
            headers={"Authorization": f"Bearer {self._token}"},
            timeout=10,
        )
        assert answer.ok, answer.text

    def break_things(self) -> None:
        for places, fault in _FAULTS.items():
            request = {"do": "fault", "places": [places], "fault": fault}
            assert "error" not in control.ask(self.state, request)

    def start_watchers(self) -> None:
        home = self.targets.parent
        shutil.copy(ROOT / "prometheus" / "prometheus.yml", home)
        (home / "rules").mkdir()
        for rules in (ROOT / "prometheus" / "rules").glob("*.yml"):
            (home / "rules" / rules.name).write_text(faster(rules.read_text(), _AT_ONCE))
        self._watch(
            "prometheus",
            f"--config.file={home / 'prometheus.yml'}",
            f"--storage.tsdb.path={home / 'data'}",
            f"--web.listen-address=127.0.0.1:{self.prometheus}",
            ready=f"http://127.0.0.1:{self.prometheus}/-/ready",
        )
        self._watch(
            "blackbox_exporter",
            f"--config.file={ROOT / 'prometheus' / 'blackbox.yml'}",
            f"--web.listen-address=127.0.0.1:{self.blackbox}",
            ready=f"http://127.0.0.1:{self.blackbox}/-/healthy",
        )

    def _watch(self, name: str, *words: str, ready: str) -> None:
        program = find(name)
        log = self.folder / f"{name}.log"
        argv = [str(program.path), *words]
        running = Running(Service(name, argv, log, ready, env=program.env))
        self._watchers.append(running)

        def is_ready() -> bool:
            assert running.status is None, running.last_words
            try:
                return requests.get(ready, timeout=2).ok
            except requests.ConnectionError:
                return False

        until(is_ready)

    def ask(self, path: str, **parameters: str | float) -> Any:
        """Return what Prometheus' API says."""
        url = f"http://127.0.0.1:{self.prometheus}/api/v1/{path}"
        answer: Mapping[str, Any] = requests.get(url, params=parameters, timeout=10).json()
        assert answer["status"] == "success", answer
        return answer["data"]

    def close(self) -> None:
        stop_all(self._watchers)
        super().close()


@contextmanager
def a_watched_room(folder: Path) -> Iterator[tuple[WatchedRoom, Controller]]:
    """Give a room in which much is wrong, and its controller."""
    room = WatchedRoom(folder)
    try:
        room.start_rack("--aliases", str(room.write_aliases()))
        controller = room.start_controller()
        room.start_watchers()
        room.demand(controller, "stacks/execute", id=3, action="power_off", force=True)
        room.break_things()
        yield room, controller
    finally:
        room.close()
