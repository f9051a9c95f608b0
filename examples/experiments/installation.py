"""Install the example stores on the rasps of a virtual rack.

On a real rack, install Debian's packages on the rasps, copy the folder `nodes` and the file
rack-addresses to /usr/local/sbin, and add actions.ini to the aliases file.
"""

import shutil
from pathlib import Path

from exporter.aliases import DEFAULT_PATH as PACKAGED_ALIASES
from rack.layout import Rack
from tools.programs import find
from tools.wrappers import write_wrapper

FOLDER = Path(__file__).parent
LAYOUT = FOLDER / "rack.toml"

_PROGRAMS = ("etcd", "nats-server", "redis-server")
_SECTION = "[actions]\n"


def write_aliases(path: Path) -> None:
    """Write an aliases file with the packaged aliases and the actions of the examples."""
    packaged = PACKAGED_ALIASES.read_text(encoding="utf-8")
    _, _, actions = (FOLDER / "actions.ini").read_text(encoding="utf-8").partition(_SECTION)
    before, _, after = packaged.partition(_SECTION)
    path.write_text(f"{before}{_SECTION}{actions}{after}", encoding="utf-8")


def install(state: Path, rack: Rack) -> None:
    """Install the stores on all rasps of a running rack with the state folder `state`.

    Raises:
        ProgramError: If a store cannot be downloaded.
        OSError: If the folder of the rasps cannot be written.
    """
    sbin = state / "rasps" / "sbin"
    for name in _PROGRAMS:
        write_wrapper(find(name), sbin)
    shutil.copytree(FOLDER / "nodes", sbin, dirs_exist_ok=True)
    addresses = "".join(f"{slot.address}\n" for slot in rack.slots)
    (sbin / "rack-addresses").write_text(addresses, encoding="utf-8")
