"""Run an example experiment on a virtual rack, as root.

The demo starts on a rack of namespaces with the stores, and runs until you press Ctrl-C, so that
you can look at the runs.
"""

import argparse
import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from examples.experiments.example_rack import ExampleRack, plan_file, running_example_rack
from rack.errors import PiRackError
from rack.terminal import EXIT_FAILED
from tools.programs import ProgramError

_INTERRUPTED = 130


def main() -> int:
    """Run an example, and return the exit status. A loss is a result and no error."""
    parser = argparse.ArgumentParser(prog="python -m examples.experiments", description=__doc__)
    parser.add_argument("example", help="plan file such as redis/blip")
    parser.add_argument("--seeds", default="1-3", help="seeds (default: %(default)s)")
    parser.add_argument(
        "--keep-page-cache",
        action="store_true",
        help="keep data that was not synced at a power cut, as a control experiment",
    )
    options = parser.parse_args()
    if os.geteuid() != 0:
        print("the SD cards of the virtual rack require root: use sudo", file=sys.stderr)
        return 2
    demo_options = ["--keep-page-cache"] if options.keep_page_cache else []
    try:
        plan = plan_file(options.example)
        with running_example_rack(Path(), demo_options=demo_options) as rack:
            status = _run(rack, plan, options.seeds)
            print(f"\nThe runs: {rack.url}/experiments\nPress Ctrl-C to stop.", flush=True)
            with suppress(KeyboardInterrupt):
                signal.pause()
    except KeyboardInterrupt:
        return _INTERRUPTED
    except (PiRackError, ProgramError, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    return 0 if status in {0, EXIT_FAILED} else status


def _run(rack: ExampleRack, plan: Path, seeds: str) -> int:
    """Run a plan file, and return the exit status of `pirack`, which handles Ctrl-C itself."""
    shown = os.path.relpath(plan)
    print(f"\n$ pirack experiment run {shown} --seeds {seeds}", flush=True)
    command = rack.pirack("experiment", "run", str(plan), "--seeds", seeds)
    with subprocess.Popen(command) as pirack:
        while True:
            with suppress(KeyboardInterrupt):
                return pirack.wait()


if __name__ == "__main__":
    sys.exit(main())
