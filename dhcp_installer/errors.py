"""What can stop an install.

InstallError
├── LogUnreadable       what the DHCP server logs cannot be followed
├── ConfigurationError  the DHCP configuration cannot be had as it is to be, and was not changed
├── ServerError         the DHCP server does not do what it is told
├── PingError           nobody can be pinged
├── NotFound            the board that was waited for did not come, or is not where it should be
├── Stopped             somebody stopped the install
└── AssignmentError     a rasp cannot be put into the slot that is wanted (also a ValueError)
"""


class InstallError(Exception):
    """The base of all errors of the package; its text is one line for people."""


class LogSourceError(InstallError):
    """What the DHCP server logs cannot be followed, or no longer: what, why, the mend."""


class ConfigurationError(InstallError):
    """The DHCP configuration cannot be had as it is to be; the file in force was not changed."""


class DhcpServerError(InstallError):
    """The DHCP server does not do what it is told."""


class PingError(InstallError):
    """Nobody can be pinged: why, the mend."""


class BoardNotFoundError(InstallError):
    """The board that was waited for did not come, or is not where it should be."""


class InstallStoppedError(InstallError):
    """Somebody stopped the install."""


class AssignmentError(InstallError, ValueError):
    """A rasp cannot be put into the slot that is wanted."""
