"""Roles of users and API tokens."""

from enum import StrEnum


class Role(StrEnum):
    """Roles in ascending order. Each role includes the permissions of all lower roles.

    A viewer can read, an operator can also submit orders, and an admin can also administer PiRack.
    """

    VIEWER = "viewer"
    OPERATOR = "operator"
    ADMIN = "admin"

    def includes(self, other: "Role") -> bool:
        """Return whether this role has all permissions of the other role."""
        order = list(Role)
        return order.index(self) >= order.index(other)
