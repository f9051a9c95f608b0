"""Check the age of the newest backup."""

from controller.doctor.finding import Finding, FindingSeverity

NAME = "backup"

_MAX_AGE_DAYS = 30
_SECONDS_PER_DAY = 86400.0
_REASON = "if the card of the master fails, users, tokens and the keys of the rasps are lost"
_FIX = (
    "`sudo pirack-controller backup pirack-backup.tar.gz`, and copy the archive to another machine"
)


def check_backup(newest: float | None, now: float, rasps: int) -> list[Finding]:
    """Return whether the newest backup is old or missing.

    Args:
        newest: Time of the newest backup in the audit log, or None if there is none.
        now: Current time. Both are in seconds since the epoch.
        rasps: Number of installed rasps. Without rasps, there is nothing to lose yet.
    """
    if newest is None:
        problem = "there is no backup of this master" if rasps else ""
    else:
        days = int((now - newest) // _SECONDS_PER_DAY)
        problem = f"the newest backup is {days} days old" if days > _MAX_AGE_DAYS else ""
    return [Finding(NAME, FindingSeverity.WARNING, problem, _REASON, _FIX)] if problem else []
