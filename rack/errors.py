"""What can be wrong with a rack's description.

RackError
├── LayoutError      rack.toml says something that cannot be (also a ValueError)
├── UnknownPlace     there is no such stack or slot in this rack (also a LookupError)
├── DatabaseError    pirack.db cannot be used as it is
├── RelayError       a relay cannot be driven
└── InUse            another program drives the relays (in rack.lock)
"""

from pathlib import Path


class RackError(Exception):
    """The base of all errors of the package; its text is one line for people."""


class LayoutError(RackError, ValueError):
    """rack.toml says something that cannot be: which file, which key, what is wrong, the mend."""

    def __init__(self, path: Path, key: str, problem: str, hint: str) -> None:
        self.path, self.key, self.problem, self.hint = path, key, problem, hint
        super().__init__(": ".join(part for part in (str(path), key, problem, hint) if part))


class UnknownTargetError(RackError, LookupError):
    """There is no such stack or slot in this rack, or the words do not name any place."""


class DatabaseError(RackError):
    """pirack.db cannot be used as it is; nothing was written to it."""


class RelayError(RackError):
    """A relay cannot be driven: none of them, or one; it is as it was before."""
