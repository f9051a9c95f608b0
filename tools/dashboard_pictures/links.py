"""Check the values in the links of a dashboard."""

import re
from collections.abc import Iterable, Mapping, Sequence
from urllib.parse import parse_qsl, unquote, urlsplit

LABELS = ("rack", "stack", "rasp", "alertname")
"""Labels whose values are in links."""

_PAGE = re.compile(r"/(rasps|stacks|runbooks)/([^/]*)$")
_LABEL_OF_PAGE = {"rasps": "rasp", "stacks": "stack", "runbooks": "alertname"}


def link_problems(links: Iterable[str], labels: Mapping[str, Sequence[str]]) -> list[str]:
    """Return the links with an unknown variable, or with a value that is not a value of its label.

    Args:
        links: URLs.
        labels: Values of each of `LABELS`.
    """
    return [f"link: {problem}: {link}" for link in links if (problem := _problem(link, labels))]


def _problem(link: str, labels: Mapping[str, Sequence[str]]) -> str:
    if "$" in link:
        return "unknown variable"
    parts = urlsplit(link)
    values = [
        (name.removeprefix("var-"), value)
        for name, value in parse_qsl(parts.query, keep_blank_values=True)
        if name.startswith("var-")
    ]
    for name, value in values:
        if name in labels and value not in labels[name]:
            return f"no {name} is named {value!r}"
    page = _PAGE.search(parts.path)
    if page is not None and not _is_page(page[1], unquote(page[2]), labels):
        return f"no page of {page[1]} is named {page[2]!r}"
    return ""


def _is_page(kind: str, name: str, labels: Mapping[str, Sequence[str]]) -> bool:
    """Return whether a page exists. Rasps have numbers from 1, and stacks have their own."""
    values = labels[_LABEL_OF_PAGE[kind]]
    if name in values or not name.isascii() or not name.isdecimal():
        return name in values
    if kind == "rasps":
        return 1 <= int(name) <= len(values)
    return kind == "stacks" and int(name) in {int(value) for value in values}
