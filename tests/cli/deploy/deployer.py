"""Run `pirack deploy` with a controller that knows two rasps."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rack.database import Database
from rack.inventory import Inventory, Rasp
from rack.layout_file import load
from tests.cli.deploy.ssh_testbed import EXPORTER_PORT, SshTestbed
from tests.helpers.forked_program import CapturedProgram, ForkedProgram
from tests.helpers.layouts import layout_text
from tests.helpers.waiting import free_port, is_reachable, wait_until

ALIASES = "[greeting]\nnumber = echo 7\n[actions]\nreboot = systemctl reboot\n"


@contextmanager
def running_controller(folder: Path, network_prefix: str) -> Iterator[str]:
    """Run a controller with rasps in slots 1 and 2 of three. Yield its URL."""
    layout = folder / "rack.toml"
    layout.write_text(
        layout_text(
            slots=3, network_prefix=network_prefix, network={"exporter_port": EXPORTER_PORT}
        )
    )
    (folder / "targets").mkdir()
    slots = load(layout).slots[:2]
    Inventory(Database(folder / "pirack.db")).replace(
        [
            Rasp(slot.stack, slot.number, f"b8:27:eb:00:00:{slot.id:02x}", slot.address)
            for slot in slots
        ]
    )
    port = free_port()
    arguments: list[str | Path] = [
        *("--rack", layout),
        *("--db", folder / "pirack.db"),
        *("--targets", folder / "targets"),
    ]
    with (folder / "log").open("w") as log, Path(os.devnull).open() as empty:
        process = ForkedProgram(
            "controller",
            [*arguments, "--listen", f"127.0.0.1:{port}", "--anonymous", "viewer"],
            environment=os.environ,
            descriptors=(empty.fileno(), log.fileno(), log.fileno()),
        )
    url = f"http://127.0.0.1:{port}"
    try:
        wait_until(lambda: is_reachable(f"{url}/healthz") or process.poll() is not None)
        assert process.poll() is None, (folder / "log").read_text()
        yield url
    finally:
        process.terminate()
        process.wait()


class Deployer:
    """Runs `pirack deploy` in the home folder of a user."""

    def __init__(self, testbed: SshTestbed, controller_url: str, pyz: Path) -> None:
        self.testbed = testbed
        self.aliases = testbed.home / "aliases.ini"
        self.aliases.write_text(ALIASES)
        self._arguments: list[str | Path] = [
            "deploy",
            "--exporter",
            pyz,
            "--aliases",
            self.aliases,
            "--json",
        ]
        self._environment = {
            "HOME": str(testbed.home),
            "PATH": "/usr/bin:/bin",
            "LC_ALL": "C.UTF-8",
            "PIRACK_URL": controller_url,
        }

    def start(self, *arguments: str | Path) -> CapturedProgram:
        return CapturedProgram("cli", [*self._arguments, *arguments], environment=self._environment)

    def finish(self, process: CapturedProgram) -> tuple[int, dict[str, Any]]:
        """Return the exit status and the results and details by rasp."""
        out, err = process.communicate()
        assert err == ""
        results = {row["rasp"]: (row["result"], row["detail"]) for row in json.loads(out)}
        return process.wait(), results

    def deploy(self, *arguments: str | Path) -> tuple[int, dict[str, Any]]:
        return self.finish(self.start(*arguments))
