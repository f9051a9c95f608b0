"""Errors of SNMP requests. The text is the problem and a fix."""

from rack.errors import PiRackError


class SnmpError(PiRackError):
    """A request failed. The switch did not reply, or not to these credentials."""


class RejectedError(SnmpError):
    """The switch replied that it does not carry out the request."""
