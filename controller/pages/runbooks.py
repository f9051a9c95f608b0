"""The runbooks of the alerts.

Only links between runbooks work on these pages. The rest of the documentation is not served.
"""

import posixpath
from collections.abc import Collection, Iterable, Iterator
from functools import cache
from pathlib import Path

from flask import Blueprint, Response
from markdown_it import MarkdownIt
from markdown_it.token import Token
from werkzeug.exceptions import NotFound

from controller.web.responses import render_page

_CONTROLLER = Path(__file__).resolve().parent.parent
_IN_PACKAGE = _CONTROLLER / "runbooks"
_IN_CHECKOUT = _CONTROLLER.parent / "docs" / "runbooks"

_SUFFIX = ".md"
_IN_DOCS = "docs/runbooks"


@cache
def runbook_names() -> frozenset[str]:
    """Return the names of the alerts that have a runbook."""
    return frozenset(path.stem for path in _folder().glob(f"*{_SUFFIX}"))


def _folder() -> Path:
    """Return the folder of the runbooks. A checkout and a release have the one of the docs."""
    return _IN_PACKAGE if _IN_PACKAGE.is_dir() else _IN_CHECKOUT


def blueprint() -> Blueprint:
    """Return the view of `/runbooks`."""
    pages = Blueprint("runbook_pages", __name__)

    @pages.get("/runbooks/<name>")
    def show(name: str) -> Response:
        if name not in runbook_names():
            raise NotFound(f"no runbook {name}")
        text = (_folder() / f"{name}{_SUFFIX}").read_text(encoding="utf-8")
        return render_page("runbook.html", name=name, content=render(text, runbook_names()))

    return pages


def render(text: str, names: Collection[str]) -> str:
    """Return a runbook as HTML. HTML in the text is escaped.

    Args:
        text: Text in Markdown.
        names: Names of the runbooks, to which links are allowed.
    """
    markdown = MarkdownIt("commonmark", {"html": False})
    tokens = markdown.parse(text)
    for token in tokens:
        if token.children:
            token.children = list(_with_served_links(token.children, names))
    html: str = markdown.renderer.render(tokens, markdown.options, {})
    return html


def _with_served_links(tokens: Iterable[Token], names: Collection[str]) -> Iterator[Token]:
    """Yield inline tokens with links to runbooks only. Other links become the path of a file."""
    file = ""
    for token in tokens:
        if token.type == "link_open":
            href = str(token.attrGet("href"))
            runbook = href.removesuffix(_SUFFIX)
            if runbook in names:
                token.attrSet("href", runbook)
                yield token
            elif href.startswith("https://"):
                yield token
            else:
                file = posixpath.normpath(f"{_IN_DOCS}/{href}")
        elif token.type == "link_close" and file:
            yield Token("text", "", 0, content=" (")
            yield Token("code_inline", "code", 0, content=file)
            yield Token("text", "", 0, content=")")
            file = ""
        else:
            yield token
