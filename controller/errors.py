"""Errors of users, tokens, orders, alerts and SSH connections.

PiRackError
├── AccessError                 invalid user, token, role or password (also a ValueError)
├── WrongPasswordError          the user does not exist or the password is wrong
├── TooManyAttemptsError        the password rate limit is exceeded
├── SshError                    an action over SSH has no result
│   ├── UnreachableError        not started: the rasp does not respond
│   ├── HostKeyError            not started: the host key is not the pinned key
│   ├── KeyRejectedError        not started: the rasp rejected the master's key
│   └── ConnectionLostError     unknown whether the action ran
├── UnknownMomentError          a time has no state, because it is in the future or before 1970
├── BackupError                 a backup cannot be made or restored
├── AlertQueueFullError         too many alerts are queued
├── PlanError                   a plan file of an experiment is invalid (also a ValueError)
└── OrderError                  a request was rejected, nothing was started
    ├── InvalidActionError      unknown action, or not allowed for these targets (also a ValueError)
    ├── UnknownOrderError       no such order (also a LookupError)
    ├── UnknownRunError         no such run of an experiment (also a LookupError)
    ├── RunConflictError        the state of the run, or another run, does not allow this
    ├── StackBusyError          an order or an install uses the stack
    ├── StackReservedError      the stack is reserved for another owner
    ├── UnknownReservationError no such reservation (also a LookupError)
    ├── UnknownQuotaError       no such quota (also a LookupError)
    ├── ReservationRefusedError a quota or the queue does not allow the reservation
    ├── NotCancellableError     the order has finished
    ├── InstallRunningError     an install is already running
    ├── NoInstallRunningError   no install is running
    └── OrdersUnavailableError  the controller accepts no orders now
"""

from rack.errors import PiRackError


class AccessError(PiRackError, ValueError):
    """Invalid user, token, role or password. The text contains a fix."""


class WrongPasswordError(PiRackError):
    """The user does not exist or the password is wrong."""


class TooManyAttemptsError(PiRackError):
    """The password rate limit is exceeded. The next attempt is accepted after `wait` seconds."""

    def __init__(self, wait: int) -> None:
        self.wait = wait
        super().__init__(f"Too many attempts. Try again in {wait} seconds.")


class SshError(PiRackError):
    """An action over SSH has no result. The text names the rasp and the reason."""


class UnreachableError(SshError):
    """The action was not started: the rasp does not respond in time."""


class HostKeyError(SshError):
    """The action was not started: the host key is not pinned, or is not the pinned key."""


class KeyRejectedError(SshError):
    """The action was not started: the master has no key, or the rasp rejected it."""


class ConnectionLostError(SshError):
    """The action was requested, but the connection broke or no response came in time."""


class BackupError(PiRackError):
    """A backup cannot be made or restored. The text contains a fix."""


class OrderError(PiRackError):
    """A request was rejected. Nothing was started."""


class InvalidActionError(OrderError, ValueError):
    """Unknown action, or an action that is not allowed for these targets.

    `field` is the invalid field of the request.
    """

    def __init__(self, field: str, text: str) -> None:
        self.field = field
        super().__init__(text)


class UnknownOrderError(OrderError, LookupError):
    """The order does not exist, or was deleted because of its age."""


class UnknownRunError(OrderError, LookupError):
    """The run of an experiment does not exist, or was deleted because of its age."""


class RunConflictError(OrderError):
    """The state of a run, or another run, does not allow this request."""


class UnknownInstallError(OrderError, LookupError):
    """The install does not exist."""


class StackReservedError(OrderError):
    """The stack is reserved for another owner. The text contains who has it until when."""


class UnknownReservationError(OrderError, LookupError):
    """The reservation does not exist, or was deleted because of its age."""


class UnknownQuotaError(OrderError, LookupError):
    """The quota does not exist."""


class ReservationRefusedError(OrderError):
    """A quota, the queue or the state of the reservation does not allow the request."""


class StackBusyError(OrderError):
    """An order or an install uses the stack."""

    def __init__(self, stack: int, reserved_by: str) -> None:
        self.stack, self.reserved_by = stack, reserved_by
        super().__init__(
            f"stack {stack} is busy with {reserved_by}: wait until it finishes, or cancel it"
        )


class NotCancellableError(OrderError):
    """The order has finished."""


class InstallRunningError(OrderError):
    """An install, a replacement or a swap is already running."""


class NoInstallRunningError(OrderError):
    """No install is running, and none was interrupted."""


class OrdersUnavailableError(OrderError):
    """The controller accepts no orders now."""


class UnknownMomentError(PiRackError):
    """A time has no state, because it is in the future or before 1970."""


class AlertQueueFullError(PiRackError):
    """The controller accepts no alerts now, because too many are queued."""


class PlanError(PiRackError, ValueError):
    """A plan file is invalid. The text names the file, the key, the problem and a fix."""

    def __init__(self, file: str, key: str, problem: str, hint: str) -> None:
        self.file, self.key, self.problem, self.hint = file, key, problem, hint
        super().__init__(": ".join(part for part in (file, key, problem, hint) if part))
