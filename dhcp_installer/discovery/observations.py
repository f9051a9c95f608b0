"""Observations of rasps: replies to pings and DHCP messages, and what they show about a cut.

Late observations prove nothing. A reply is proof only if its whole ping round lies in the time in
question, and silence only if enough complete rounds lie in this time.
"""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Collection, Sequence, Set
from dataclasses import dataclass

from dhcp_installer.discovery.strategy import PingRound
from rack.layout import Outlet

ROUNDS = 4
"""A rasp that missed so many pings in a row is silent."""

MAX_ROUND_AGE = 5.0
"""Maximum seconds between the last ping round before a cut and the cut."""


_LOG_DELAY = 2.0  # seconds after which a line of the DHCP server is certainly in the log


@dataclass(frozen=True, slots=True)
class Cut:
    """A cut of the power of outlets, which supplied no power from `off_at` to `on_at`.

    The power was lost at some time from `commanded_at` to `off_at`.
    """

    outlets: tuple[Outlet, ...]
    commanded_at: float
    off_at: float
    on_at: float


@dataclass(frozen=True, slots=True)
class CutEvidence:
    """What a cut shows.

    Args:
        excluded: MAC addresses that replied when no rasp at these outlets could reply.
        silent: MAC addresses that replied before the cut and then became silent.
        is_late: Whether there were too few complete ping rounds, so that silence means nothing.
    """

    excluded: frozenset[str] = frozenset()
    silent: frozenset[str] = frozenset()
    is_late: bool = False


@dataclass(frozen=True, slots=True)
class _DhcpMessage:
    """A DHCP message that was sent between two times."""

    mac: str
    sent_after: float
    sent_before: float


@dataclass(frozen=True, slots=True)
class _Silence:
    """A time without replies. The first reply after it was sent between two times."""

    ended_after: float
    ended_before: float


class Observations:
    """All ping rounds and DHCP messages, in order of time.

    Args:
        hold_up_seconds: Maximum time for which a rasp replies without power.
    """

    def __init__(self, hold_up_seconds: float) -> None:
        self.shortest_boot = 0.0  # no rasp is active sooner after its power returned
        self.log_read_until = 0.0
        self._hold_up_seconds = hold_up_seconds
        self._rounds: list[PingRound] = []
        self._round_starts: list[float] = []
        self._replied: frozenset[str] = frozenset()  # in the last round
        self._first_reply: dict[str, float] = {}
        self._missed_since: dict[str, int] = {}  # index of the first round without a reply
        self._silences: defaultdict[str, list[_Silence]] = defaultdict(list)
        self._dhcp_messages: list[_DhcpMessage] = []

    def add_round(self, ping_round: PingRound) -> None:
        """Add a complete ping round."""
        replied = ping_round.reachable
        if replied is not self._replied and replied != self._replied:
            self._update_silences(ping_round)
        self._replied = replied
        self._rounds.append(ping_round)
        self._round_starts.append(ping_round.started_at)
        self.log_read_until = ping_round.log_read_until

    def add_dhcp_message(self, mac: str, read_at: float) -> None:
        """Add a DHCP message of a rasp, which was sent after the log was last read completely."""
        sent_after = self.log_read_until - _LOG_DELAY
        self._dhcp_messages.append(_DhcpMessage(mac, sent_after, read_at))

    @property
    def reachable(self) -> frozenset[str]:
        """Rasps that replied to one of the last pings."""
        count = len(self._rounds)
        return self._replied.union(
            mac for mac, index in self._missed_since.items() if count - index < ROUNDS
        )

    def are_reachable(self, macs: Collection[str]) -> bool:
        """Return whether all of these rasps replied to one of the last pings."""
        oldest = len(self._rounds) - ROUNDS
        return all(
            mac in self._replied or self._missed_since.get(mac, oldest) > oldest for mac in macs
        )

    @property
    def macs(self) -> Set[str]:
        """Rasps that replied at least once."""
        return self._first_reply.keys()

    @property
    def last_first_reply(self) -> float:
        """Time when the last of the rasps replied for the first time."""
        return max(self._first_reply.values(), default=0.0)

    def last_reply(self, mac: str) -> float:
        """Return the time of the last reply of a rasp that replied at least once."""
        index = self._missed_since.get(mac, len(self._rounds))
        return self._rounds[index - 1].time

    def seconds_observed(self, mac: str, now: float) -> float:
        """Return the time since the first reply of a rasp."""
        return now - self._first_reply[mac]

    def silence_count(self, mac: str) -> int:
        """Return how often a rasp became silent, whatever the reason was."""
        index = self._missed_since.get(mac, len(self._rounds))
        return len(self._silences[mac]) + (len(self._rounds) - index >= ROUNDS)

    def rounds_since(self, time: float) -> int:
        """Return the number of complete ping rounds that started at this time or later."""
        return len(self._rounds) - bisect_left(self._round_starts, time)

    def replied_since(self, time: float) -> frozenset[str]:
        """Return the rasps that replied in a complete round that started at this time or later."""
        index = bisect_left(self._round_starts, time)
        return frozenset().union(*(r.reachable for r in self._rounds[index:]))

    def evidence(self, cut: Cut) -> CutEvidence:
        """Return what the complete ping rounds and the DHCP messages show about a cut."""
        start = bisect_left(self._round_starts, cut.off_at)
        before = [
            ping_round.reachable
            for ping_round in self._rounds[self._last_round_before(cut) : start]
            if ping_round.started_at >= cut.commanded_at - MAX_ROUND_AGE
        ]
        certain_after = cut.off_at + self._hold_up_seconds
        certain_before = cut.on_at + self.shortest_boot
        rounds = self._rounds_between(start, certain_before)
        alive = frozenset().union(*(r.reachable for r in rounds if r.started_at >= certain_after))
        alive |= self._sent_dhcp(certain_after, certain_before)
        tail = [r for r in rounds if r.started_at >= cut.off_at + self._hold_up_seconds / 2]
        if not before or len(tail) < ROUNDS:
            return CutEvidence(excluded=alive, is_late=True)
        replied = frozenset().union(*before, *(r.reachable for r in rounds))
        silent = _silent_in(tail[-ROUNDS:], replied) | _silent_in(
            self._rounds_after_hold_up(cut), replied
        )
        return CutEvidence(alive, silent - alive)

    def is_final(self, cut: Cut) -> bool:
        """Return whether later ping rounds cannot change the evidence of a cut."""
        return (
            len(self._rounds_after_hold_up(cut)) == ROUNDS
            and self._round_starts[-1] > cut.on_at + self.shortest_boot
        )

    def has_rebooted(self, mac: str, cut: Cut) -> bool | None:
        """Return whether a rasp that became silent in a cut sent a DHCP message before it replied.

        The result is None as long as the rasp is silent or the log is not read.
        """
        for silence in self._silences[mac]:
            if silence.ended_before > cut.on_at:
                break
        else:
            return None
        if any(
            message.mac == mac and message.sent_after < silence.ended_before
            for message in self._dhcp_messages_since(cut.on_at)
        ):
            return True
        return False if self.log_read_until >= silence.ended_before + _LOG_DELAY else None

    def _update_silences(self, ping_round: PingRound) -> None:
        count = len(self._rounds)
        for mac in ping_round.reachable - self._replied:
            missed_since = self._missed_since.pop(mac, None)
            if missed_since is None:
                self._first_reply[mac] = ping_round.started_at
            elif count - missed_since >= ROUNDS:
                self._silences[mac].append(_Silence(ping_round.started_at, ping_round.time))
        for mac in self._replied - ping_round.reachable:
            self._missed_since[mac] = count

    def _rounds_between(self, index: int, end: float) -> list[PingRound]:
        """Return the rounds from an index that were complete at the end."""
        rounds = []
        for ping_round in self._rounds[index:]:
            if ping_round.time > end:
                break
            rounds.append(ping_round)
        return rounds

    def _last_round_before(self, cut: Cut) -> int:
        """Return the index of the last round that was complete before the cut was commanded."""
        index = bisect_right(self._rounds, cut.commanded_at, key=lambda each: each.time)
        return max(0, index - 1)

    def _rounds_after_hold_up(self, cut: Cut) -> list[PingRound]:
        """Return the first rounds in which no rasp at these outlets can have power in store."""
        index = bisect_left(self._round_starts, cut.off_at + self._hold_up_seconds)
        return self._rounds[index : index + ROUNDS]

    def _sent_dhcp(self, start: float, end: float) -> set[str]:
        return {
            message.mac
            for message in self._dhcp_messages_since(start)
            if message.sent_after >= start and message.sent_before <= end
        }

    def _dhcp_messages_since(self, time: float) -> list[_DhcpMessage]:
        """Return the DHCP messages that were read at this time or later."""
        index = bisect_left(self._dhcp_messages, time, key=lambda message: message.sent_before)
        return self._dhcp_messages[index:]


def _silent_in(rounds: Sequence[PingRound], macs: frozenset[str]) -> frozenset[str]:
    """Return the rasps that missed the pings of all rounds, if there are enough rounds."""
    if len(rounds) < ROUNDS:
        return frozenset()
    return macs.difference(*(ping_round.reachable for ping_round in rounds))
