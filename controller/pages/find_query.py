"""What users search for: the names of pages, stacks, rasps, orders and runbooks."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from controller.pages.navigation import NamedPage
from controller.state.model import RaspState
from controller.state.search import filter_rasps
from rack.errors import UnknownTargetError
from rack.layout import Rack, Stack
from rack.targets import resolve_stack

_RUNBOOK_PREFIX = "pirack"
_ORDER_ID = re.compile(r"[0-9]{1,9}")


class FindKind(StrEnum):
    """What can be found."""

    PAGE = "page"
    STACK = "stack"
    RASP = "rasp"
    ORDER = "order"
    RUNBOOK = "runbook"


@dataclass(frozen=True, slots=True)
class FindQuery:
    """A text to search for.

    Args:
        words: All words, in lower case.
        kind: What the first word restricts the search to, as in `order 12`, or None.
    """

    words: tuple[str, ...]
    kind: FindKind | None = None

    @classmethod
    def parse(cls, text: str) -> "FindQuery":
        """Return the query of a text."""
        words = tuple(text.lower().split())
        kind = words[0].removesuffix("s") if len(words) > 1 else ""
        return cls(words, FindKind(kind) if kind in set(FindKind) else None)

    @property
    def text(self) -> str:
        """The words without the kind."""
        return " ".join(self.words[1:] if self.kind else self.words)

    @property
    def order_id(self) -> int | None:
        """Number of the order that the text can be."""
        is_number = _ORDER_ID.fullmatch(self.text) and self._includes(FindKind.ORDER)
        return int(self.text) if is_number else None

    def pages(self, pages: Iterable[NamedPage]) -> list[NamedPage]:
        """Return the pages whose name contains the text, which are all without a text."""
        if self.kind not in {None, FindKind.PAGE}:
            return []
        return [page for page in pages if self.text in page.label.lower()]

    def stacks(self, rack: Rack) -> list[Stack]:
        """Return the stack with this number or name."""
        if not self._includes(FindKind.STACK):
            return []
        try:
            return [resolve_stack(rack, self.text)]
        except UnknownTargetError:
            return []

    def rasps(self, rasps: Iterable[RaspState]) -> list[RaspState]:
        """Return the rasps with this id, name or address, as on the page of the rasps."""
        return filter_rasps(rasps, text=self.text) if self._includes(FindKind.RASP) else []

    def runbooks(self, names: Iterable[str]) -> list[str]:
        """Return the runbooks whose name contains all words, such as `rasp hot`."""
        words = self.words[1:] if self.kind is FindKind.RUNBOOK else self.words
        if not words:
            return []
        return [
            name
            for name in sorted(names)
            if all(
                word.removeprefix(_RUNBOOK_PREFIX) in name.lower().removeprefix(_RUNBOOK_PREFIX)
                for word in words
            )
        ]

    def _includes(self, kind: FindKind) -> bool:
        return bool(self.text) and self.kind in {None, kind}
