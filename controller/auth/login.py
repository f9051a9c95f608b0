"""Login with user name and password: rate limit, password check, audit record and session."""

from controller.audit import LOG_IN_ACTION, REFUSED, WRONG_PASSWORD, AuditEvent
from controller.auth.access_control import AccessControl
from controller.errors import TooManyAttemptsError, WrongPasswordError


def check_password(
    access: AccessControl, name: str, password: str, client_address: str, *, session: str = ""
) -> str:
    """Check a password within the rate limit, and return its hash.

    Args:
        access: Users and rate limits.
        name: Name of the user.
        password: Password to check.
        client_address: Address of the client.
        session: Secret of the user's session, or "" at login.

    Raises:
        TooManyAttemptsError: If there were too many wrong passwords.
        WrongPasswordError: If the user does not exist or the password is wrong.
    """
    if wait := access.password_limiter.hit(name, client_address, session):
        raise TooManyAttemptsError(wait)
    password_hash = access.users.verified_hash(name, password)
    if password_hash is None:
        raise WrongPasswordError("Invalid user name or password.")
    access.password_limiter.refund(name, client_address, session)
    return password_hash


def log_in(
    access: AccessControl, name: str, password: str, client_address: str, user_agent: str
) -> str:
    """Check a user name and password, and return the secret of a new session.

    Raises the errors of `check_password`.
    """
    try:
        password_hash = check_password(access, name, password, client_address)
    except WrongPasswordError:
        # An unknown name is not recorded, because it may be a password in the wrong field.
        actor = name if access.users.exists(name) else "unknown user"
        access.audit.record(
            AuditEvent(actor, client_address, LOG_IN_ACTION, "", REFUSED, WRONG_PASSWORD)
        )
        raise
    access.audit.record(AuditEvent(name, client_address, LOG_IN_ACTION, "", "ok"))
    return access.sessions.create(
        name, password_hash, client_address=client_address, user_agent=user_agent
    )
