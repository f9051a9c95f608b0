"""What can be wrong with who may do what, and with what is ordered.

RackError
├── AccessError          a user, a token, a role or a password is not as it must be
└── OrderError           something that was ordered is not done
    ├── UnknownAction    there is no such action, or not for these targets (also a ValueError)
    ├── UnknownOrder     there is no such order (also a LookupError)
    ├── StackBusy        somebody else has the stack
    ├── NotCancellable   the order is over
    └── OrdersClosed     the controller takes no orders now
"""

from rack.errors import RackError


class AccessError(RackError, ValueError):
    """A user, a token, a role or a password is not as it must be; the text has the mend."""


class OrderError(RackError):
    """Something that was ordered is not done, and nothing of it was begun."""


class UnknownAction(OrderError, ValueError):
    """There is no such action, or none for these targets; `field` is the wrong one of the order."""

    def __init__(self, field: str, text: str) -> None:
        self.field = field
        super().__init__(text)


class UnknownOrder(OrderError, LookupError):
    """There is no such order, or it is so old that it is no longer kept."""


class StackBusy(OrderError):
    """Somebody else has the stack."""

    def __init__(self, stack: int, holder: str) -> None:
        self.stack, self.holder = stack, holder
        super().__init__(
            f"stack {stack} is busy with {holder}: wait until that is over, or cancel it"
        )


class NotCancellable(OrderError):
    """The order is over."""


class OrdersClosed(OrderError):
    """The controller takes no orders now."""
