"""Errors of an install.

PiRackError
└── InstallError
    ├── LogSourceError       the log of the DHCP server cannot be read
    ├── ConfigurationError   the DHCP configuration was rejected and not changed
    ├── DhcpServerError      the DHCP server, or the program that checks its file, does not run
    │   └── DhcpRestartError     the DHCP server did not restart, or not in time
    ├── PingError            pings cannot be sent
    ├── BoardNotFoundError   no rasp was found, or the new board was not identified
    ├── InstallStoppedError  the install was stopped
    └── AssignmentError      a rasp cannot have the requested slot (also a ValueError)
"""

from dhcp_installer.config_text import printable
from rack.errors import PiRackError


class InstallError(PiRackError):
    """Base class of the errors of an install. The text is one line for the user."""


class LogSourceError(InstallError):
    """The log of the DHCP server cannot be read."""


class ConfigurationError(InstallError):
    """The DHCP configuration is invalid, unreadable or unwritable. It was not changed."""

    def __init__(self, message: str) -> None:
        # The message can quote bytes of the configuration that are not UTF-8.
        super().__init__(printable(message))


class DhcpServerError(InstallError):
    """The DHCP server, or the program that checks its configuration, does not run."""


class DhcpRestartError(DhcpServerError):
    """The DHCP server did not restart, or not in time."""


class PingError(InstallError):
    """Pings cannot be sent."""


class BoardNotFoundError(InstallError):
    """No rasp was found, or the new board was not identified."""


class InstallStoppedError(InstallError):
    """The install was stopped."""


class AssignmentError(InstallError, ValueError):
    """A rasp cannot have the requested slot."""
