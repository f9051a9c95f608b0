"""Pack the exporter and its dependency into a file that runs with only python3.

`python -m deploy.make_pyz [FILE]` includes prometheus_client from its own environment. The archive
contains sources for Python 3.11 or newer, and bytecode for the Python that builds it. Equal sources
result in equal archives.
"""

import argparse
import compileall
import io
import py_compile
import shutil
import tempfile
import zipfile
from importlib import metadata
from pathlib import Path

from rack.files import replace_file

ROOT = Path(__file__).resolve().parent.parent
DEFAULT_TARGET = ROOT / "dist/pirack-exporter.pyz"

# -I ignores the modules of the user and of the current folder.
_SHEBANG = b"#!/usr/bin/env -S python3 -I\n"
_MAIN = "from exporter.__main__ import main\n\nraise SystemExit(main())\n"
_ZIP_EPOCH = (1980, 1, 1, 0, 0, 0)
_LICENSES = {"LICENSE", "NOTICE", "COPYING"}


def make(target: Path) -> None:
    """Build the archive and replace `target` atomically."""
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder)
        sources = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / "exporter", tree / "exporter", ignore=sources)
        _copy_dependency("prometheus-client", tree)
        (tree / "__main__.py").write_text(_MAIN)
        shutil.copy(ROOT / "LICENSE", tree)
        compileall.compile_dir(
            tree,
            quiet=1,
            legacy=True,
            stripdir=folder,
            invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
        )
        packed = io.BytesIO()
        packed.write(_SHEBANG)
        with zipfile.ZipFile(packed, "w") as archive:
            for path in sorted(path for path in tree.rglob("*") if path.is_file()):
                entry = zipfile.ZipInfo(path.relative_to(tree).as_posix(), _ZIP_EPOCH)
                archive.writestr(entry, path.read_bytes(), zipfile.ZIP_DEFLATED)
    target.parent.mkdir(parents=True, exist_ok=True)
    replace_file(target, packed.getvalue(), mode=0o755)


def _copy_dependency(name: str, tree: Path) -> None:
    """Copy the modules and licenses of a distribution, without its bytecode."""
    for file in metadata.files(name) or ():
        is_license = file.name in _LICENSES
        if file.suffix == ".py" or is_license:
            target = tree / (f"{name}.{file.name}" if is_license else file)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(str(file.locate()), target)


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m deploy.make_pyz", description=make.__doc__)
    parser.add_argument(
        "file", nargs="?", type=Path, default=DEFAULT_TARGET, help="default: %(default)s"
    )
    make(parser.parse_args().file)


if __name__ == "__main__":
    main()
