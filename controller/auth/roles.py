"""Roles of users and API tokens."""

from enum import StrEnum


class Role(StrEnum):
    """Role in ascending order. Each role includes the permissions of the previous ones.

    A viewer reads, an operator submits orders, an admin also administers PiRack.
    """

    VIEWER = "viewer"
    OPERATOR = "operator"
    ADMIN = "admin"

    def includes(self, other: "Role") -> bool:
        """Return whether this role has all permissions of the other role."""
        order = list(Role)
        return order.index(self) >= order.index(other)
