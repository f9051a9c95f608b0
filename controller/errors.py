"""What can be wrong with who may do what.

RackError
└── AccessError      a user, a token, a role or a password is not as it must be
"""

from rack.errors import RackError


class AccessError(RackError, ValueError):
    """A user, a token, a role or a password is not as it must be; the text has the mend."""
