// Positions of panels, as Grafana's grid computes them.

const COLUMNS = 24;
const UNIT_PIXELS = 30;
const GAP_PIXELS = 8;
// In a narrower grid, each panel has the full width.
export const NARROW_PIXELS = 769;

/** Return the panels with those of collapsed rows, as if each row was expanded. */
export function expandRows(panels) {
  let shift = 0;
  return panels.flatMap((panel) => {
    const { gridPos } = panel;
    const moved = { ...panel, gridPos: { ...gridPos, y: gridPos.y + shift } };
    if (panel.type !== "row" || !panel.collapsed || !panel.panels?.length) {
      return [moved];
    }
    const top = Math.min(...panel.panels.map((inner) => inner.gridPos.y));
    const bottom = Math.max(...panel.panels.map((inner) => inner.gridPos.y + inner.gridPos.h));
    const first = moved.gridPos.y + gridPos.h;
    shift += bottom - top;
    const inner = panel.panels.map((each) => ({
      ...each,
      gridPos: { ...each.gridPos, y: each.gridPos.y - top + first },
    }));
    return [{ ...moved, collapsed: false }, ...inner];
  });
}

/** Return the position in pixels of each panel in a grid of this width. */
export function positions(panels, width) {
  const pixels = (units) => units * UNIT_PIXELS + (units - 1) * GAP_PIXELS;
  if (width < NARROW_PIXELS) {
    let top = 0;
    const inOrder = [...panels].sort(
      (a, b) => a.gridPos.y - b.gridPos.y || a.gridPos.x - b.gridPos.x,
    );
    return inOrder.map((panel) => {
      const height = pixels(panel.gridPos.h);
      const position = { panel, left: 0, top, width, height };
      top += height + GAP_PIXELS;
      return position;
    });
  }
  const column = (width - (COLUMNS - 1) * GAP_PIXELS) / COLUMNS;
  return panels.map((panel) => {
    const { x, y, w, h } = panel.gridPos;
    return {
      panel,
      left: Math.round(x * (column + GAP_PIXELS)),
      top: y * (UNIT_PIXELS + GAP_PIXELS),
      width: Math.round(w * column + (w - 1) * GAP_PIXELS),
      height: pixels(h),
    };
  });
}
