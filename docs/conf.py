"""Configuration of the documentation site. `make docs` builds it with Sphinx."""

import re

from sphinx.application import Sphinx

project = "PiRack"
html_title = "PiRack"
html_theme = "furo"
html_show_sphinx = False
html_copy_source = False
extensions = ["myst_parser"]
myst_heading_anchors = 4

_TOCTREE = "\n```{{toctree}}\n:hidden:\n:glob:\n:caption: {caption}\n\n{pages}\n```\n"
_RUNBOOKS = _TOCTREE.format(caption="Runbooks", pages="../runbooks/*")


def add_navigation(_: Sphinx, page: str, source: list[str]) -> None:
    """Add the table of contents to a page: in index.md, the links of each section."""
    if page == "index":
        for section in source[0].split("\n## ")[1:]:
            caption, _newline, links = section.partition("\n")
            pages = "\n".join(re.findall(r"\]\(((?!runbooks/)[^)]+)\.md\)", links))
            source[0] += _TOCTREE.format(caption=caption, pages=pages)
    elif page == "reference/alerts":
        source[0] += _RUNBOOKS


def setup(app: Sphinx) -> None:
    """Register the navigation."""
    app.connect("source-read", add_navigation)
