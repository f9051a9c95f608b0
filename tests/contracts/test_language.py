"""Language rules of CONTRIBUTING.md over code, templates, docs and messages."""

import ast
import re
import subprocess
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.process

ROOT = Path(__file__).parents[2]
SUFFIXES = {".css", ".html", ".ini", ".js", ".md", ".py", ".scss", ".sh", ".toml", ".yml"}
GENERATED = {"swagger-ui-bundle.js", "swagger-ui.css", "pirack.css", "idiomorph.min.js"}
MAX_MARKDOWN_COLUMNS = 120

FORBIDDEN_WORDS = re.compile(
    r"\b(tell|tells|told|telling|mend|mends|mended|anew|whoever|nobody|somebody|everybody)\b",
    re.IGNORECASE,
)
ALLOWED_USES = {
    # The name of Debian's unprivileged user.
    "tests/deploy/test_install_master.py": {"nobody"},
    # A method of file objects.
    "dhcp_installer/dhcpd/log_sources.py": {"tell"},
    # The rule itself.
    "tests/contracts/test_language.py": {*FORBIDDEN_WORDS.pattern[3:-3].split("|")},
}


def tracked_files() -> list[Path]:
    listing = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    paths = [Path(name) for name in listing.split("\0") if name]
    return [path for path in paths if (ROOT / path).is_file()]


def forbidden_words(path: Path) -> Iterator[str]:
    allowed = ALLOWED_USES.get(str(path), set())
    for number, line in enumerate((ROOT / path).read_text(encoding="utf-8").splitlines(), 1):
        for word in FORBIDDEN_WORDS.findall(line):
            if word.lower() not in allowed:
                yield f"{path}:{number}: {word!r}: use an established term"


def test_text_uses_established_terms() -> None:
    found = [
        use
        for path in tracked_files()
        if path.suffix in SUFFIXES and path.name not in GENERATED
        for use in forbidden_words(path)
    ]
    assert not found, "\n".join(found)


def test_no_two_public_classes_share_a_name() -> None:
    places: defaultdict[str, list[str]] = defaultdict(list)
    for path in tracked_files():
        if path.suffix == ".py":
            for node in ast.parse((ROOT / path).read_text(encoding="utf-8")).body:
                if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                    places[node.name].append(f"{path}:{node.lineno}")
    shared = {name: found for name, found in places.items() if len(found) > 1}
    assert not shared, "\n".join(f"{name}: {' '.join(found)}" for name, found in shared.items())


def test_markdown_lines_are_at_most_120_columns_wide() -> None:
    wide = []
    for path in tracked_files():
        if path.suffix != ".md":
            continue
        in_code = False
        for number, line in enumerate((ROOT / path).read_text(encoding="utf-8").splitlines(), 1):
            in_code ^= line.lstrip().startswith("```")
            cannot_wrap = in_code or line.startswith(("|", "![")) or " " not in line.strip()
            if len(line) > MAX_MARKDOWN_COLUMNS and not cannot_wrap:
                wide.append(f"{path}:{number}: {len(line)} columns")
    assert not wide, "\n".join(wide)
