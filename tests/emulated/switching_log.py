"""Compare the orders of a process that was killed many times with the moves of the relays."""

from collections.abc import Mapping, Sequence

from tests.emulated.relay_moves import Power

KILLED = "killed"


def expected_moves(
    log: str, moves: Sequence[tuple[int, Power]], power: Mapping[int, Power]
) -> list[tuple[int, Power]]:
    """Return the moves that a log requires.

    Each order moves each relay that differs, once and in its order. Of the last order before a
    kill, the last moves may be missing. Their number is taken from the observed moves.

    Args:
        log: Orders and kills, see `switching_process`.
        moves: Observed moves of relays, as stack and power.
        power: Power of each stack before the first order.
    """
    expected: list[tuple[int, Power]] = []
    current = dict(power)
    lines = log.splitlines()
    for line, following in zip(lines, [*lines[1:], KILLED], strict=True):
        if line == KILLED:
            continue
        for stack, new in _parse(line):
            if current[stack] is new:
                continue
            observed = moves[len(expected) : len(expected) + 1]
            if following == KILLED and list(observed) != [(stack, new)]:
                break
            expected.append((stack, new))
            current[stack] = new
    return expected


def _parse(order: str) -> list[tuple[int, Power]]:
    words = order.split()
    return [
        (int(stack), Power(power)) for stack, power in zip(words[::2], words[1::2], strict=True)
    ]
