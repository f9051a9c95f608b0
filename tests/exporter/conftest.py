"""A simulated rasp, and exporters that stop after their test."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from exporter import aliases
from exporter.server import Exporter
from tests.exporter.scraping import ServedExporter, write_tree


@pytest.fixture
def pi4(tmp_path: Path) -> Path:
    """The /sys and /proc of a healthy Raspberry Pi 4."""
    return write_tree("pi4", tmp_path / "root")


@pytest.fixture
def serve(pi4: Path, tmp_path: Path) -> Iterator[Callable[..., ServedExporter]]:
    """Serve the text of an aliases file, or the packaged one."""
    exporters: list[Exporter] = []

    def start(text: str | None = None, **options: object) -> ServedExporter:
        path = aliases.DEFAULT_PATH
        if text is not None:
            path = tmp_path / "aliases.ini"
            path.write_text(text)
        settings: dict[str, object] = {"root": pi4, **options}
        exporter = Exporter(aliases.load(path), "127.0.0.1", 0, **settings)  # type: ignore[arg-type]
        exporter.start()
        exporters.append(exporter)
        return ServedExporter(exporter, path)

    yield start
    for exporter in exporters:
        exporter.close()
