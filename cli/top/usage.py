"""Temperature, CPU and memory of rasps: order, texts and history."""

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from rich.text import Text

from cli import tables
from cli.models import ApiRasp
from cli.tables import cell
from rack.fitted_table import FittedTable
from rack.terminal import make_table

HEADERS = ("RASP", "STATE", "TEMP", "CPU", "MEMORY", "LOAD", "UPTIME")
MAX_SAMPLES = 60
"""Number of samples in the history of a rasp."""

_BLOCKS = " ▁▂▃▄▅▆▇█"


@dataclass(frozen=True)
class Metric:
    """A value by which rasps are sorted, and its range in the history."""

    header: str
    value: Callable[[ApiRasp], float | None]
    lowest: float
    highest: float


METRICS: Mapping[str, Metric] = {
    "temperature": Metric("TEMP", lambda rasp: rasp.temperature_celsius, 30, 85),
    "cpu": Metric("CPU", lambda rasp: rasp.cpu_busy_cores, 0, 4),
    "memory": Metric("MEMORY", lambda rasp: rasp.memory_used_ratio, 0, 1),
}


def sort_rasps(rasps: Iterable[ApiRasp], sort: str) -> list[ApiRasp]:
    """Return rasps by a metric, highest first and unknown values last. Others are by id."""

    def key(rasp: ApiRasp) -> tuple[bool, float, int]:
        value = METRICS[sort].value(rasp)
        return value is None, -(value or 0.0), rasp.id

    return sorted(rasps, key=key)


def usage_table(rasps: Iterable[ApiRasp]) -> FittedTable:
    """Return a table with a row for each rasp."""
    table = make_table(*HEADERS)
    for rasp in rasps:
        table.add_row(*usage_cells(rasp))
    return table


def usage_cells(rasp: ApiRasp) -> list[Text]:
    """Return the cells of a rasp for `HEADERS`."""
    cores, ratio = rasp.cpu_busy_cores, rasp.memory_used_ratio
    return [
        cell(rasp.name),
        tables.colored(rasp.display_state),
        tables.colored(rasp.display_state, tables.format_celsius(rasp.temperature_celsius) or "-"),
        cell(None if cores is None else f"{cores:.2f} cores"),
        cell(None if ratio is None else f"{ratio * 100:.0f} %"),
        cell(tables.format_load(rasp.load1)),
        cell(tables.format_uptime(rasp.uptime_seconds)),
    ]


class UsageHistory:
    """Values of all metrics since the start."""

    def __init__(self) -> None:
        self._samples: deque[Mapping[str, Sequence[float | None]]] = deque(maxlen=MAX_SAMPLES)

    def add(self, rasps: Iterable[ApiRasp]) -> None:
        """Add the values of the rasps at a moment."""
        metrics = METRICS.values()
        self._samples.append(
            {rasp.name: [metric.value(rasp) for metric in metrics] for rasp in rasps}
        )

    def sparkline(self, name: str, sort: str, width: int) -> str:
        """Return the latest values of a rasp as blocks, the newest at the right."""
        metric, index = METRICS[sort], list(METRICS).index(sort)
        samples = list(self._samples)[-width:] if width > 0 else []
        values = [sample[name][index] if name in sample else None for sample in samples]
        return "".join(_block(value, metric) for value in values)


def _block(value: float | None, metric: Metric) -> str:
    """Return a block, which is lowest at the start of the range, or a space if it is unknown."""
    if value is None:
        return _BLOCKS[0]
    fraction = (value - metric.lowest) / (metric.highest - metric.lowest)
    number = round(min(max(fraction, 0.0), 1.0) * (len(_BLOCKS) - 2))
    return _BLOCKS[1 + number]
