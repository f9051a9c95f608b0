"""What can be wrong with who may do what, with what is ordered or told, and on the way to a rasp.

RackError
├── AccessError          a user, a token, a role or a password is not as it must be
├── SshError             an action by SSH has no result
│   ├── Unreachable      it surely did not run: the rasp gives no answer
│   ├── WrongHostKey     it surely did not run: who answers is not known to be the rasp
│   ├── NotAllowed       it surely did not run: the rasp does not let the master in
│   └── Lost             it was asked for, and nobody knows whether it ran
├── AlertsClosed         the controller takes no alerts now
└── OrderError           something that was ordered is not done
    ├── UnknownAction    there is no such action, or not for these targets (also a ValueError)
    ├── UnknownOrder     there is no such order (also a LookupError)
    ├── StackBusy        somebody else has the stack
    ├── NotCancellable   the order is over
    ├── InstallRuns      an install runs, and there is one at a time
    ├── NothingToStop    no install runs
    └── OrdersClosed     the controller takes no orders now
"""

from rack.errors import RackError


class AccessError(RackError, ValueError):
    """A user, a token, a role or a password is not as it must be; the text has the mend."""


class SshError(RackError):
    """An action by SSH has no result; the text names the rasp and says why."""


class UnreachableError(SshError):
    """The action surely did not run: the rasp gives no answer, or not in time."""


class HostKeyError(SshError):
    """The action surely did not run: the host key is not the pinned one, or none is pinned."""


class KeyRejectedError(SshError):
    """The action surely did not run: the master has no key, or the rasp refuses it."""


class ConnectionLostError(SshError):
    """The action was asked for, and no answer came in time, or the connection broke."""


class OrderError(RackError):
    """Something that was ordered is not done, and nothing of it was begun."""


class InvalidActionError(OrderError, ValueError):
    """There is no such action, or none for these targets; `field` is the wrong one of the order."""

    def __init__(self, field: str, text: str) -> None:
        self.field = field
        super().__init__(text)


class UnknownOrderError(OrderError, LookupError):
    """There is no such order, or it is so old that it is no longer kept."""


class StackBusyError(OrderError):
    """Somebody else has the stack."""

    def __init__(self, stack: int, reserved_by: str) -> None:
        self.stack, self.reserved_by = stack, reserved_by
        super().__init__(
            f"stack {stack} is busy with {reserved_by}: wait until that is over, or cancel it"
        )


class NotCancellableError(OrderError):
    """The order is over."""


class InstallRunningError(OrderError):
    """An install, a replacement or a swap runs, and there is one at a time."""


class NoInstallRunningError(OrderError):
    """No install runs, and none was interrupted."""


class OrdersUnavailableError(OrderError):
    """The controller takes no orders now."""


class AlertQueueFullError(RackError):
    """The controller takes no alerts now: too many wait already."""
