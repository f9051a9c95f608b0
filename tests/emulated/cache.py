"""Keep what takes long to build in `.emulated/`, as long as its inputs are the same."""

import hashlib
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

from tools.debian_packages import exclusive

ROOT = Path(__file__).parents[2]
CACHE = ROOT / ".emulated"
_BUILD_SECONDS = 3 * 3600.0


def cached(
    name: str, inputs: Iterable[bytes], build: Callable[[Path], None], cache: Path = CACHE
) -> Path:
    """Return a path that `build` has written for these inputs. Build it if necessary.

    Only one process builds. If it is killed, the next call builds again. Other versions of the same
    name are removed.

    Args:
        name: Name in the cache, without a hyphen.
        inputs: Everything that decides what is built.
        build: Writes a new file or folder.
        cache: Folder of the cache.

    Raises:
        PackageError: If another process still builds after three hours.
    """
    key = hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in inputs)).hexdigest()
    finished = cache / f"{name}-{key[:16]}"
    cache.mkdir(exist_ok=True)
    with exclusive(cache / f"{name}.lock", timeout=_BUILD_SECONDS):
        if not finished.exists():
            for outdated in cache.glob(f"{name}-*"):
                _remove(outdated)
            unfinished = cache / f"{name}-unfinished"
            build(unfinished)
            unfinished.rename(finished)
    return finished


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()
