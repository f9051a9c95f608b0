"""Results of an order, with equal results of several targets as one."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from controller.orders.model import Order, Reading, Result, TargetResult
from controller.pages.times import local_datetime
from rack.readings import format_reading
from rack.terminal import printable

_SEVERITY: Sequence[Result | None] = (Result.FAILED, Result.UNKNOWN, None, Result.OK)
_MAX_INLINE_CHARS = 120
_INDENT = "    "


@dataclass(frozen=True, slots=True)
class ResultGroup:
    """Targets of an order with the same result, detail, output and readings. Never empty."""

    results: tuple[TargetResult, ...]

    @property
    def first(self) -> TargetResult:
        """The first target. Its result is that of all targets."""
        return self.results[0]

    @property
    def output_lines(self) -> Sequence[str]:
        """The output without empty lines at its start and its end."""
        return self.first.output.strip("\r\n").splitlines()

    @property
    def first_line(self) -> str:
        """The first line of the output, shortened."""
        line = self.output_lines[0] if self.output_lines else ""
        return line if len(line) <= _MAX_INLINE_CHARS else f"{line[: _MAX_INLINE_CHARS - 1]}…"

    @property
    def is_one_line(self) -> bool:
        """Whether `first_line` is the whole output."""
        return self.output_lines == [self.first_line]


def group_results(results: Iterable[TargetResult]) -> list[ResultGroup]:
    """Group equal results: failed ones first, then unknown ones, open ones, and those that are ok.

    Otherwise the order of the targets is kept.
    """
    groups: dict[object, list[TargetResult]] = {}
    for result in results:
        groups.setdefault(_group_key(result), []).append(result)
    return sorted(
        (ResultGroup(tuple(group)) for group in groups.values()),
        key=lambda group: (_SEVERITY.index(group.first.result), not group.first.stage),
    )


def _group_key(result: TargetResult) -> object:
    # A NaN is not equal to itself, but its text is.
    readings = tuple((*sorted(each.labels.items()), repr(each.value)) for each in result.readings)
    return result.result, result.stage, result.detail, result.output, readings


def target_name(result: TargetResult) -> str:
    """Return the name of a target, for example `03-2` or `stack 03`."""
    return f"stack {result.target}" if result.kind == "stack" else result.target


def order_text(order: Order) -> str:
    """Return an order and its results as plain text, without control characters."""
    return "".join(f"{line}\n" for line in _order_lines(order))


def _order_lines(order: Order) -> Iterator[str]:
    finished = f" to {_format_time(order.finished_at)}" if order.finished_at else ""
    yield (
        f"{order.title}{f' {order.request.alias}' if order.request.alias else ''},"
        f" {order.result or order.state}, by {printable(order.actor)},"
        f" {_format_time(order.started_at)}{finished}"
    )
    alias = order.request.alias or ""
    for group in group_results(order.results):
        first = group.first
        names = ", ".join(map(target_name, group.results))
        detail = f": {printable(first.detail)}" if first.detail else ""
        yield ""
        yield f"{names}: {first.result or first.stage or 'pending'}{detail}"
        yield from (
            f"{_INDENT}{printable(_format_reading(alias, each))}" for each in first.readings
        )
        yield from (f"{_INDENT}{printable(line.expandtabs())}" for line in group.output_lines)


def _format_reading(alias: str, reading: Reading) -> str:
    labels = ", ".join(f"{name}={value}" for name, value in reading.labels.items())
    return f"{labels} {format_reading(alias, reading.value)}".lstrip()


def _format_time(seconds: float) -> str:
    return local_datetime(seconds).isoformat(" ")
