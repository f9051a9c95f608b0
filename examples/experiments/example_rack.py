"""The demo on a virtual rack with network namespaces and SD cards, with the stores installed."""

import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from examples.experiments.installation import FOLDER, LAYOUT, install, write_aliases
from rack.errors import PiRackError
from rack.layout_file import load
from virtual_rack.demo.config import RackOptions, make_config

DEFAULT_PORT = 8080

_READY_LINE = "Press Ctrl-C"
_STOP_SECONDS = 30.0
_BOOT_SECONDS = 0.5  # a slow boot only makes the examples take longer


class ExampleRackError(PiRackError):
    """The demo did not start."""


@dataclass(frozen=True)
class ExampleRack:
    """A running demo.

    Attributes:
        url: URL of the controller.
        state: State folder of the demo.
    """

    url: str
    state: Path

    def pirack(self, *arguments: str) -> list[str]:
        """Return a command line of `pirack`, for the folder that contains the state folder."""
        return [sys.executable, "-m", "cli", "--url", self.url, *arguments]


def plan_file(name: str) -> Path:
    """Return the plan file of an example such as `redis/blip`.

    Raises:
        ExampleRackError: If it does not exist.
    """
    plans = {f"{path.parent.name}/{path.stem}": path for path in sorted(FOLDER.glob("*/*.toml"))}
    if name not in plans:
        raise ExampleRackError(f"{name} is not an example: use one of {', '.join(plans)}")
    return plans[name]


@contextmanager
def running_example_rack(
    folder: Path,
    *,
    port_base: int | None = None,
    demo_options: Sequence[str] = (),
    report: Callable[[str], None] = print,
) -> Iterator[ExampleRack]:
    """Run the demo in the block. Its state folder is in `folder`.

    Args:
        folder: Folder of the state folder.
        port_base: First port of the demo, by default the ports of `make demo`.
        demo_options: Additional options of the demo.
        report: Function that receives the lines of the demo's output.

    Raises:
        ExampleRackError: If the demo does not start.
        ProgramError: If a store cannot be downloaded.
        OSError: If a file cannot be written.
    """
    config = make_config(RackOptions(LAYOUT, has_namespaces=True), port_base)
    state = folder.resolve() / config.state
    state.mkdir(parents=True, exist_ok=True)
    aliases = state / "aliases.ini"
    write_aliases(aliases)
    command = [
        *("setpriv", "--pdeathsig", "TERM", "--"),
        *(sys.executable, "-m", "virtual_rack.demo", "--network", "namespaces"),
        *("--rack", str(LAYOUT), "--aliases", str(aliases), "--boot-time", str(_BOOT_SECONDS)),
        *(["--port-base", str(port_base)] if port_base else []),
        *demo_options,
    ]
    # In a session of its own, so that Ctrl-C first stops the run of the experiment.
    with subprocess.Popen(
        command,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as demo:
        try:
            output = demo.stdout or ()
            _wait_until_ready(output, report)
            install(state, load(state / config.layout_file.name))
            threading.Thread(target=_drain, args=(output,), daemon=True).start()
            yield ExampleRack(config.controller_url, state)
        finally:
            demo.terminate()
            try:
                demo.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                demo.kill()


def _wait_until_ready(output: Iterable[str], report: Callable[[str], None]) -> None:
    last_line = "it printed nothing"
    for line in output:
        report(line.rstrip())
        if line.startswith(_READY_LINE):
            return
        last_line = line.strip() or last_line
    raise ExampleRackError(f"the demo did not start: {last_line}")


def _drain(output: Iterable[str]) -> None:
    for _ in output:
        pass
