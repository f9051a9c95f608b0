"""What somebody may do."""

from enum import StrEnum


class Role(StrEnum):
    """A role, from the least to the most: each may do all that those before it may.

    A viewer looks, an operator gives orders, an admin looks after PiRack itself.
    """

    VIEWER = "viewer"
    OPERATOR = "operator"
    ADMIN = "admin"

    def includes(self, other: "Role") -> bool:
        """Tell whether this role may do all that the other one may."""
        order = list(Role)
        return order.index(self) >= order.index(other)
