"""The rack as it stands in the room, drawn with characters."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderableType
from rich.text import Text

from cli import tables
from cli.models import ApiRasp, ApiStack
from rack.bands import temperature_band, temperature_limits
from rack.names import stack_name

VIRIDIS = (
    *("#440154", "#482878", "#3e4989", "#31688e", "#26828e"),
    *("#1f9e89", "#35b779", "#6ece58", "#b5de2b", "#fde725"),
)
"""Background of each band of temperatures, as on the rack page."""

_DARK_BANDS = 4  # with white text
_CELL_WIDTH = 4
_STACK_WIDTH = _CELL_WIDTH + 2
_GAP = "  "
_STATES = {
    "down": ("D", "bold #ffffff on #b00020"),
    "off": ("O", "dim"),
    "unknown": ("?", "italic yellow"),
    "warm": ("W", ""),
    "hot": ("H", "bold underline"),
    "shutting down": ("S", "cyan"),
    "cutting power": ("C", "cyan"),
    "power cycle": ("P", "cyan"),
    "waiting": ("…", "cyan"),
    "booting": ("B", "cyan"),
    "installing": ("I", "cyan"),
}
_CONDITION_LETTER = "!"


class RackView:
    """Stacks at their positions, and a legend of the letters and colors that occur.

    The rack is divided into parts, one below the other, if the terminal is too narrow.

    Args:
        stacks: The stacks of the rack.
    """

    def __init__(self, stacks: Sequence[ApiStack]) -> None:
        self._stacks = {(stack.x, stack.y): stack for stack in stacks}
        self._rasps = [rasp for stack in stacks for rasp in stack.rasps]

    def __rich_console__(
        self, console: Console, options: ConsoleOptions
    ) -> Iterator[RenderableType]:
        """Yield the lines of the rack."""
        yield tables.rasp_summary(self._rasps)
        rows = sorted({y for _, y in self._stacks})
        for columns in self._parts(options.max_width):
            for i, y in enumerate(rows):
                if i and y - rows[i - 1] > 1:
                    yield Text()
                yield from self._row_lines(columns, y)
        yield from _packed_lines(self._legend(), options.max_width)
        if console.is_terminal and console.color_system and not console.no_color:
            yield _color_scale()

    def _parts(self, width: int) -> Iterator[list[int]]:
        """Yield the columns that fit side by side."""
        part: list[int] = []
        used = 0
        for x in sorted({x for x, _ in self._stacks}):
            needed = _STACK_WIDTH + (len(_GAP) if part and x - part[-1] > 1 else 0)
            if part and used + needed > width:
                yield part
                part, used, needed = [], 0, _STACK_WIDTH
            part.append(x)
            used += needed
        yield part

    def _row_lines(self, columns: Sequence[int], y: int) -> Iterator[Text]:
        row = [self._stacks.get((x, y)) for x in columns]
        gaps = ["", *(_GAP if right - left > 1 else "" for left, right in pairwise(columns))]
        boxes = [_box(stack) if stack else [] for stack in row]
        for i in range(max(map(len, boxes))):
            line = Text(no_wrap=True, overflow="crop")
            for gap, box in zip(gaps, boxes, strict=True):
                line.append(gap)
                line.append_text(box[i] if i < len(box) else Text(" " * _STACK_WIDTH))
            line.rstrip()
            yield line

    def _legend(self) -> list[Text]:
        """Return the meaning of the letters that occur."""
        states = {rasp.display_state for rasp in self._rasps}
        legend = [
            Text.assemble((f" {letter} ", style), f" {state}")
            for state, (letter, style) in _STATES.items()
            if state in states
        ]
        if any(_cell_letter(rasp) == _CONDITION_LETTER for rasp in self._rasps):
            legend.append(Text(f" {_CONDITION_LETTER}  under-voltage or throttled"))
        if any(_has_power_problem(stack) for stack in self._stacks.values()):
            legend.append(Text(" pwr?  power differs or is unknown: see `pirack stacks`"))
        return legend


def _packed_lines(items: Iterable[Text], width: int) -> list[Text]:
    """Return lines of the items, which break only between items."""
    lines: list[Text] = []
    for item in items:
        if lines and lines[-1].cell_len + len(_GAP) + item.cell_len <= width:
            lines[-1].append(_GAP).append_text(item)
        else:
            lines.append(item)
    return lines


def _box(stack: ApiStack) -> list[Text]:
    """Return the lines of a stack, with notes about its power in the lower border."""
    border = "dim" if stack.power == "off" else ""
    note = "pwr?" if _has_power_problem(stack) else "off" if stack.power == "off" else ""
    return [
        Text(f"┌{stack_name(stack.number):─^{_CELL_WIDTH}.{_CELL_WIDTH}}┐", border),
        *(Text.assemble(("│", border), _cell(rasp), ("│", border)) for rasp in stack.rasps),
        Text(f"└{note:─^{_CELL_WIDTH}}┘", border),
    ]


def _has_power_problem(stack: ApiStack) -> bool:
    return bool(stack.power_mismatch) or any(outlet.error for outlet in stack.outlets)


def _cell(rasp: ApiRasp) -> Text:
    letter = _cell_letter(rasp)
    style = _STATES.get(rasp.display_state, ("", ""))[1]
    if rasp.state != "up":
        return Text(f"{letter:^{_CELL_WIDTH}}", style)
    celsius = rasp.temperature_celsius
    value = "- " if celsius is None else f"{celsius:.0f}°"
    text = f"{letter}{value:>{_CELL_WIDTH - 1}}"
    if cell_len(text) > _CELL_WIDTH:
        text = text.rstrip("°")
    color = "" if celsius is None else _band_style(temperature_band(celsius))
    return Text(text, " ".join(filter(None, [style, color])))


def _cell_letter(rasp: ApiRasp) -> str:
    if rasp.display_state in _STATES:
        return _STATES[rasp.display_state][0]
    return _CONDITION_LETTER if rasp.conditions else " "


def _band_style(band: int) -> str:
    return f"{'#ffffff' if band < _DARK_BANDS else '#000000'} on {VIRIDIS[band]}"


def _color_scale() -> Text:
    limits = temperature_limits()
    labels = [f"<{limits[1]}", *map(str, limits[1:])]
    scale = [Text(f" {label} ", _band_style(band)) for band, label in enumerate(labels)]
    return Text.assemble(*scale, " °C")
