"""A browser that draws dashboards with Grafana's npm packages."""

import base64
import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Browser, Route, sync_playwright

from tools.dashboard_pictures.pictures import View
from tools.dashboard_pictures.queries import Dashboard
from tools.dashboard_pictures.recording import Recording
from tools.npm_packages import install
from tools.programs import find

_PAGE_SOURCES = Path(__file__).parent / "page"
_BUNDLE_OPTIONS = (
    *("src/main.jsx", "--bundle", "--format=iife", "--jsx=automatic", "--minify"),
    *('--define:process.env.NODE_ENV="production"', "--log-level=error"),
    # Files of components that no panel uses.
    *("--loader:.ttf=empty", "--loader:.gif=empty", "--loader:.png=empty", "--loader:.svg=empty"),
)
_BUNDLE_SECONDS = 300.0
_ORIGIN = "http://dashboards.invalid"
_PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Dashboard</title>
<style>body { margin: 0 }</style><link rel="stylesheet" href="/main.css"></head>
<body><div id="root"></div><script src="/main.js"></script></body></html>"""
_TO_WEBP = """async png => {
    const response = await fetch(`data:image/png;base64,${png}`);
    const image = await createImageBitmap(await response.blob());
    const canvas = document.createElement("canvas");
    canvas.width = image.width;
    canvas.height = Math.min(image.height, 1600);
    canvas.getContext("2d").drawImage(image, 0, 0);
    return canvas.toDataURL("image/webp", 0.85);
}"""

CHROMIUM_FLAGS = ("--no-sandbox", "--disable-gpu")


@dataclass(frozen=True, slots=True)
class DrawnDashboard:
    """A drawn dashboard.

    Attributes:
        picture: PNG file.
        links: URL of each link.
        problems: Problems of texts, and messages in the browser's console.
    """

    picture: bytes
    links: Sequence[str]
    problems: Sequence[str]


class DashboardRenderer:
    """Draws dashboards in a page of a browser."""

    def __init__(self, browser: Browser, bundle: Path, packages: Path) -> None:
        self._bundle = bundle
        self._icons = packages / "node_modules/@grafana/ui/dist/public/img/icons"
        fonts = packages / "node_modules/@fontsource-variable/inter/files"
        self._font = fonts / "inter-latin-wght-normal.woff2"
        self._messages: list[str] = []
        self._page = browser.new_page()
        self._page.on("console", lambda message: self._messages.append(message.text))
        self._page.on("pageerror", lambda error: self._messages.append(str(error)))
        self._page.route("**/*", self._serve)
        self._page.goto(f"{_ORIGIN}/")

    def draw(self, dashboard: Dashboard, recording: Recording, view: View) -> DrawnDashboard:
        """Draw a dashboard with recorded results."""
        self._messages.clear()
        self._page.set_viewport_size({"width": view.width, "height": 800})
        scene = {"dashboard": dashboard, "recording": recording}
        size = {"theme": view.theme, "width": view.width}
        drawn = self._page.evaluate("scene => window.draw(scene)", scene | size)
        self._page.set_viewport_size({"width": view.width, "height": drawn["height"]})
        # The picture comes first, because it waits until the browser has painted the new size.
        picture = self._page.screenshot()
        problems: list[str] = self._page.evaluate("window.findProblems()")
        messages = [f"console: {message}" for message in self._messages]
        return DrawnDashboard(picture, drawn["links"], [*messages, *problems])

    def compress(self, picture: bytes) -> bytes:
        """Return a PNG file as a WebP file with at most the upper 1600 pixels."""
        url: str = self._page.evaluate(_TO_WEBP, base64.b64encode(picture).decode())
        return base64.b64decode(url.partition(",")[2])

    def _serve(self, route: Route) -> None:
        """Serve the page, and the icons and the font at the URLs of Grafana."""
        path = route.request.url.removeprefix(_ORIGIN).lstrip("/")
        if not path:
            route.fulfill(body=_PAGE, content_type="text/html")
        elif path.startswith("public/build/img/icons/"):
            route.fulfill(path=self._icons / path.removeprefix("public/build/img/icons/"))
        elif path.startswith("public/fonts/inter/"):
            route.fulfill(path=self._font)
        elif (self._bundle / path).is_file():
            route.fulfill(path=self._bundle / path)
        else:
            route.fulfill(status=404)


def bundle_page(folder: Path) -> Path:
    """Bundle the page into a folder. Return the folder of the npm packages.

    Raises:
        ProgramError: If npm or the packages are not available.
    """
    packages = install(_PAGE_SOURCES, "dashboard-pictures")
    modules = packages / "node_modules"
    done = subprocess.run(
        ["node", str(modules / "esbuild/bin/esbuild"), *_BUNDLE_OPTIONS, f"--outdir={folder}"],
        cwd=_PAGE_SOURCES,
        env={**os.environ, "NODE_PATH": str(modules)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=_BUNDLE_SECONDS,
        check=False,
    )
    if done.returncode != 0:
        raise RuntimeError(done.stdout)
    return packages


@contextmanager
def launched_browser() -> Iterator[Browser]:
    """Yield a headless Chromium.

    Raises:
        ProgramError: If Chromium is not available.
    """
    chromium = find("chromium")
    # The driver of Playwright may need the libraries of Chromium.
    os.environ.update(chromium.extra_environment)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=str(chromium.path),
            env={**chromium.environment},
            args=[*CHROMIUM_FLAGS],
        )
        yield browser
        browser.close()
