"""Commands in code blocks of the documentation."""

import re
from pathlib import Path

_SECTION = re.compile(r"^## +(?:\d+\. +)?(.+)$", re.MULTILINE)
_BLOCK = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)


def code_blocks(page: Path) -> list[tuple[str, list[str]]]:
    """Return the title of the section and the lines of each code block without a language."""
    blocks = []
    _, *parts = _SECTION.split(page.read_text(encoding="utf-8"))
    for title, text in zip(parts[::2], parts[1::2], strict=True):
        for _, language, content in _BLOCK.findall(text):
            if not language:
                blocks.append((title, [line.strip() for line in content.splitlines()]))
    return blocks


def code_block(page: Path, section: str, part: str) -> list[str]:
    """Return the lines of the only block of a section that contains a text."""
    [lines] = [
        lines
        for title, lines in code_blocks(page)
        if title == section and any(part in line for line in lines)
    ]
    return lines
