"""Errors of the rack package.

PiRackError
├── LayoutError           rack.toml is invalid (also a ValueError)
├── UnknownTargetError    a stack or slot does not exist (also a LookupError)
├── DatabaseError         pirack.db cannot be used
├── UnknownDriverError    a power driver is not installed (in rack.power.registry)
├── RelayError            an outlet cannot be switched
│   └── SwitchError       some of several outlets cannot be switched (in rack.power.edges)
└── DatabaseInUseError    another process drives the relays (in rack.lock)
"""

from pathlib import Path


class PiRackError(Exception):
    """Base class of PiRack's errors. The text is one line for the user."""


class LayoutError(PiRackError, ValueError):
    """rack.toml is invalid. The text names the file, the key, the problem and a fix."""

    def __init__(self, path: Path, key: str, problem: str, hint: str) -> None:
        self.path, self.key, self.problem, self.hint = path, key, problem, hint
        super().__init__(": ".join(part for part in (str(path), key, problem, hint) if part))


class UnknownTargetError(PiRackError, LookupError):
    """A target expression is malformed, or its stack or slot does not exist."""


class DatabaseError(PiRackError):
    """pirack.db cannot be used. The file was not changed."""


class RelayError(PiRackError):
    """An outlet cannot be used or switched."""
