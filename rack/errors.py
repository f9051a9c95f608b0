"""What can be wrong with a rack's description.

PiRackError
├── LayoutError      rack.toml says something that cannot be (also a ValueError)
├── UnknownPlace     there is no such stack or slot in this rack (also a LookupError)
├── DatabaseError    pirack.db cannot be used as it is
├── RelayError       a relay cannot be driven
└── InUse            another program drives the relays (in rack.lock)
"""

from pathlib import Path


class PiRackError(Exception):
    """Base class of PiRack's errors. The text is one line for the user."""


class LayoutError(PiRackError, ValueError):
    """rack.toml says something that cannot be: which file, which key, what is wrong, the mend."""

    def __init__(self, path: Path, key: str, problem: str, hint: str) -> None:
        self.path, self.key, self.problem, self.hint = path, key, problem, hint
        super().__init__(": ".join(part for part in (str(path), key, problem, hint) if part))


class UnknownTargetError(PiRackError, LookupError):
    """There is no such stack or slot in this rack, or the words do not name any place."""


class DatabaseError(PiRackError):
    """pirack.db cannot be used as it is; nothing was written to it."""


class RelayError(PiRackError):
    """A relay cannot be driven: none of them, or one; it is as it was before."""
