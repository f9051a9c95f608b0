"""Print which stacks get or lose power if the service pirack-relays stops.

`python -m deploy.relay_moves RACK_TOML` prints JSON: whether a stack or rasp has power
afterwards, keyed by what its relay powers: `stack 3` or `03-2`. Requires the Python of a release.
"""

import json
import sys
from pathlib import Path
from typing import Any, Protocol

from rack.errors import PiRackError
from rack.gpio.client import HolderClient
from rack.gpio.persistence import persists_outputs
from rack.layout import GPIO, Rack
from rack.layout_file import load


class Client(Protocol):
    """A client of the process that holds the relay lines, such as `HolderClient`."""

    def request(self, command: str, **values: Any) -> dict[str, Any]:
        """Return the reply to a request, see `Holder.handle`."""


def relay_moves(rack: Rack, client: Client, *, persists: bool | None) -> dict[str, bool]:
    """Return whether stacks and rasps have power after their relays went to rest.

    Args:
        rack: The layout.
        client: Client of the process that holds the lines.
        persists: Whether the kernel keeps outputs. None if this is unknown, which counts as no.

    Raises:
        GpioError: If the state of a held line cannot be read.
    """
    board = rack.relays
    if persists or board is None:
        return {}
    held = set(client.request("status")["lines"])
    moves = {}
    for outlet in rack.outlets_of(GPIO):
        if int(outlet.address) not in held:
            continue
        line = client.request("read", line=int(outlet.address))
        if line["is_output"] and line["is_high"] == board.active_high:
            moves[outlet.target] = board.power_when(energized=False)
    return moves


def main() -> None:
    """Print the moves, or one line for the reason why they are unknown."""
    try:
        moves = relay_moves(load(Path(sys.argv[1])), HolderClient(), persists=persists_outputs())
    except PiRackError as error:
        sys.exit(f"the state of the relays is unknown: {error}: to continue anyway, add --yes")
    sys.stdout.write(json.dumps(moves))


if __name__ == "__main__":
    main()
