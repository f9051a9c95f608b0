"""Pack the exporter and its one dependency into a file that a bare python3 runs.

`python -m deploy.make_pyz [FILE]` takes prometheus_client from the environment it runs in. The
archive holds the sources, which any Python from 3.11 on runs, and beside them the bytecode of the
Python that made it, which starts faster where the versions agree. Same sources, same bytes.
"""

import argparse
import compileall
import py_compile
import shutil
import tempfile
import zipfile
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DEFAULT_TARGET = ROOT / "dist/pirack-exporter.pyz"

# -I: neither the user's nor the current folder's modules get in.
_SHEBANG = b"#!/usr/bin/env -S python3 -I\n"
_MAIN = "from exporter.__main__ import main\n\nraise SystemExit(main())\n"
_ZIP_EPOCH = (1980, 1, 1, 0, 0, 0)
_LICENSES = {"LICENSE", "NOTICE", "COPYING"}


def make(target: Path) -> None:
    """Write the archive to `target`, in one step."""
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
        target.parent.mkdir(parents=True, exist_ok=True)
        fresh = target.with_suffix(".new")
        with fresh.open("wb") as file:
            file.write(_SHEBANG)
            with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
                for path in sorted(path for path in tree.rglob("*") if path.is_file()):
                    entry = zipfile.ZipInfo(path.relative_to(tree).as_posix(), _ZIP_EPOCH)
                    archive.writestr(entry, path.read_bytes(), zipfile.ZIP_DEFLATED)
        fresh.chmod(0o755)
        fresh.replace(target)


def _copy_dependency(name: str, tree: Path) -> None:
    """Copy a distribution's modules and licences; its bytecode is made anew."""
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
