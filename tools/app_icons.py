"""Render the PNG icons of the web app manifest from `icon.svg`: `python -m tools.app_icons`."""

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tools.programs import Program, ProgramError, find

STATIC_FOLDER = Path(__file__).resolve().parent.parent / "controller/static"
SIZES = (192, 512)

_BACKGROUND = "#123570"  # of icon.svg
_SAFE_PERCENT = 80  # launchers cut a maskable icon to any shape that contains this circle
_TIMEOUT_SECONDS = 60.0


def render(chromium: Program, page: str, size: int, target: Path) -> None:
    """Save a square picture of an HTML page, with a transparent background."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "icon.html")
        source.write_text(page, encoding="utf-8")
        subprocess.run(
            [
                *chromium.command,
                *("--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"),
                *("--default-background-color=00000000", f"--window-size={size},{size}"),
                *(f"--screenshot={target}", source.as_uri()),
            ],
            env=chromium.environment,
            check=True,
            capture_output=True,
            timeout=_TIMEOUT_SECONDS,
        )


def icon_page(svg: str, *, is_maskable: bool) -> str:
    """Return an HTML page that is filled by the icon, with a margin if it is maskable."""
    width, background = (_SAFE_PERCENT, _BACKGROUND) if is_maskable else (100, "transparent")
    return (
        f"<style>body{{margin:0;background:{background};display:grid;place-items:center;"
        f"height:100vh}}svg{{display:block;width:{width}vw}}</style>{svg}"
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Render the icons. Return the exit status."""
    argparse.ArgumentParser(prog="python -m tools.app_icons", description=__doc__).parse_args(
        arguments
    )
    svg = (STATIC_FOLDER / "icon.svg").read_text(encoding="utf-8")
    try:
        chromium = find("chromium")
        for size in SIZES:
            for name, is_maskable in (("icon", False), ("icon-maskable", True)):
                page = icon_page(svg, is_maskable=is_maskable)
                render(chromium, page, size, STATIC_FOLDER / f"{name}-{size}.png")
    except (ProgramError, subprocess.SubprocessError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
