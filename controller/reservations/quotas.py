"""Check reservations against the quotas of their owners. Pure functions."""

from collections.abc import Iterable
from fnmatch import fnmatchcase

from controller.auth.tokens import TOKEN_ACTOR_PREFIX
from controller.errors import ReservationRefusedError
from controller.reservations.model import Quota


def require_quota(
    quotas: Iterable[Quota], owner: str, *, stacks: int, held_stacks: int, seconds: float
) -> None:
    """Raise ReservationRefusedError if a quota of the owner does not allow a reservation.

    Args:
        quotas: All quotas.
        owner: User or token.
        stacks: Number of stacks of the reservation.
        held_stacks: Number of stacks of the other reservations of the owner.
        seconds: Duration of the reservation, including extensions.
    """
    for quota in quotas:
        if not is_member(quota, owner):
            continue
        if seconds > quota.seconds:
            raise ReservationRefusedError(
                f"quota {quota.name} allows {quota.seconds / 60:g} min for a reservation:"
                " request less time"
            )
        if held_stacks + stacks > quota.stacks:
            held = f", and {owner} already has or waits for {held_stacks}" if held_stacks else ""
            raise ReservationRefusedError(
                f"quota {quota.name} allows {quota.stacks} stacks at the same time{held}:"
                " request fewer stacks, or hand some back"
            )


def is_member(quota: Quota, owner: str) -> bool:
    """Return whether a quota applies to an owner, who may be the token of a user."""
    names = {owner, owner.removeprefix(TOKEN_ACTOR_PREFIX)}
    return any(fnmatchcase(name, member) for name in names for member in quota.members)
