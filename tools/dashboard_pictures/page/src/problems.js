// Finds texts on the page that overlap, that are cut off, or whose contrast is too low.

const MIN_CONTRAST = 4.5;
const TOLERANCE_PIXELS = 1.5;
const ROUNDING_PIXELS = 0.05;
// The box of a line is higher than its letters.
const LETTER_RATIO = 0.75;

function parseColor(text) {
  const context = document.createElement("canvas").getContext("2d");
  context.fillStyle = text;
  // Canvas serializes each color as #rrggbb or rgba(…).
  const hex = /^#(..)(..)(..)$/.exec(context.fillStyle);
  const [red, green, blue, alpha = 1] = hex
    ? hex.slice(1).map((digits) => parseInt(digits, 16))
    : context.fillStyle.match(/[\d.]+/g).map(Number);
  return { rgb: [red, green, blue], alpha };
}

function blend(over, under) {
  return under.map((value, index) => over.rgb[index] * over.alpha + value * (1 - over.alpha));
}

function luminance(rgb) {
  const [red, green, blue] = rgb.map((value) => {
    const ratio = value / 255;
    return ratio <= 0.03928 ? ratio / 12.92 : ((ratio + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

function contrast(one, other) {
  const [low, high] = [luminance(one), luminance(other)].sort((a, b) => a - b);
  return (high + 0.05) / (low + 0.05);
}

/** Return the colors of an element's background: the stops of a gradient, or one color. */
function backgroundsOf(element) {
  const { backgroundImage, backgroundColor } = getComputedStyle(element);
  const stops = backgroundImage.match(/rgba?\([^)]*\)/g);
  return (stops ?? [backgroundColor]).map(parseColor);
}

/** Return the colors behind a point, from the elements at this point. */
function backgroundsAt(x, y, textElement) {
  const elements = document.elementsFromPoint(x, y);
  const behind = elements.slice(Math.max(0, elements.indexOf(textElement)));
  let colors = [[255, 255, 255]];
  for (const element of behind.reverse()) {
    colors = backgroundsOf(element).flatMap((over) => colors.map((under) => blend(over, under)));
  }
  return colors;
}

function letterBox({ left, right, top, bottom }, fontSize) {
  const middle = (top + bottom) / 2;
  const half = Math.min(bottom - top, fontSize * LETTER_RATIO) / 2;
  return { left, right, top: middle - half, bottom: middle + half };
}

function isVisible(element) {
  const isHiddenBox = element.closest('[aria-hidden="true"], .sr-only');
  return (
    !isHiddenBox && element.checkVisibility({ opacityProperty: true, visibilityProperty: true })
  );
}

function documentTexts(root) {
  const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
  const found = [];
  while (walker.nextNode()) {
    const node = walker.currentNode;
    const element = node.parentElement;
    if (!node.data.trim() || ["STYLE", "SCRIPT"].includes(element.tagName) || !isVisible(element)) {
      continue;
    }
    const range = document.createRange();
    range.selectNodeContents(node);
    const { color, fontSize } = getComputedStyle(element);
    for (const rect of range.getClientRects()) {
      found.push({
        text: node.data.trim(),
        element,
        node,
        color,
        box: letterBox(rect, parseFloat(fontSize)),
      });
    }
  }
  return found;
}

function graphTexts(root, texts) {
  return [...root.querySelectorAll("canvas")].flatMap((canvas) => {
    const { left, top, width, height } = canvas.getBoundingClientRect();
    const x = width / canvas.width;
    const y = height / canvas.height;
    return (texts.get(canvas) ?? []).map(({ text, color, corners: [start, end] }) => ({
      text,
      color,
      element: canvas,
      box: {
        left: left + Math.min(start.x, end.x) * x,
        right: left + Math.max(start.x, end.x) * x,
        top: top + Math.min(start.y, end.y) * y,
        bottom: top + Math.max(start.y, end.y) * y,
      },
    }));
  });
}

function isOverlap(one, other) {
  const width = Math.min(one.right, other.right) - Math.max(one.left, other.left);
  const height = Math.min(one.bottom, other.bottom) - Math.max(one.top, other.top);
  return width > TOLERANCE_PIXELS && height > TOLERANCE_PIXELS;
}

/** Return whether a box is outside of a frame, horizontally and vertically. */
function isOutside(box, frame) {
  return {
    x: frame.left - box.left > TOLERANCE_PIXELS || box.right - frame.right > TOLERANCE_PIXELS,
    y: frame.top - box.top > TOLERANCE_PIXELS || box.bottom - frame.bottom > TOLERANCE_PIXELS,
  };
}

/** Return whether the text is in a part of a table that a reader has to scroll to. */
function isScrolledAway({ element, box }, isNarrow) {
  let each = element.closest('[role="grid"], table');
  while (each && !["auto", "scroll"].includes(getComputedStyle(each).overflowY)) {
    each = each.parentElement;
  }
  const outside = each && isOutside(box, each.getBoundingClientRect());
  return Boolean(outside && (outside.y || (isNarrow && outside.x)));
}

/** Return the part of a box that its element and the parents of its element do not hide. */
function visiblePart({ element, box }, panel) {
  let part = box;
  for (let each = element; each !== panel.parentElement; each = each.parentElement) {
    const { overflowX, overflowY } = getComputedStyle(each);
    const { left, right, top, bottom } = each.getBoundingClientRect();
    const isEdge = each.tagName === "CANVAS" || each === panel;
    if (isEdge || overflowX !== "visible") {
      part = { ...part, left: Math.max(left, part.left), right: Math.min(right, part.right) };
    }
    if (isEdge || overflowY !== "visible") {
      part = { ...part, top: Math.max(top, part.top), bottom: Math.min(bottom, part.bottom) };
    }
  }
  return part;
}

/** Return whether a part of a text is missing. */
function isCut(text) {
  const { element, box, part } = text;
  // If the time range ends at a tick, Grafana cuts a part of the label of this tick.
  const isGraph = element.tagName === "CANVAS";
  const outside = isOutside(box, isGraph ? { ...part, right: Infinity } : part);
  return outside.x || outside.y || hasEllipsis(text);
}

/** Return whether dots replace the end of a text, because it is wider than its element's content. */
function hasEllipsis({ element, box }) {
  const { textOverflow, paddingRight, borderRightWidth } = getComputedStyle(element);
  const edge = parseFloat(paddingRight) + parseFloat(borderRightWidth);
  const isWider = box.right > element.getBoundingClientRect().right - edge + ROUNDING_PIXELS;
  return textOverflow === "ellipsis" && isWider;
}

function lowestContrast({ element, color, part }) {
  const x = (part.left + part.right) / 2;
  const y = (part.top + part.bottom) / 2;
  const ink = parseColor(color);
  return Math.min(
    ...backgroundsAt(x, y, element).map((behind) => contrast(blend(ink, behind), behind)),
  );
}

function panelProblems(panel, texts, isNarrow) {
  const shown = [...documentTexts(panel), ...graphTexts(panel, texts)]
    .filter((text) => !isScrolledAway(text, isNarrow))
    .map((text) => ({ ...text, part: visiblePart(text, panel) }));
  const found = new Map();
  const report = (problem, text) => found.set(problem, (found.get(problem) ?? new Set()).add(text));
  shown.forEach((one, index) => {
    for (const other of shown.slice(index + 1)) {
      // The lines of one text do not overlap.
      const isSameText = one.node && one.node === other.node;
      if (!isSameText && isOverlap(one.part, other.part)) {
        report("overlaps", `"${one.text}" and "${other.text}"`);
      }
    }
    if (isCut(one)) {
      report("is cut", `"${one.text}"`);
    }
    const isHidden = one.part.left >= one.part.right || one.part.top >= one.part.bottom;
    const ratio = isHidden ? Infinity : lowestContrast(one);
    if (ratio < MIN_CONTRAST) {
      report(`has a contrast of ${ratio.toFixed(1)}`, `"${one.text}"`);
    }
  });
  return [...found].map(
    ([problem, named]) => `${panel.dataset.panel}: ${problem}: ${[...named].join(", ")}`,
  );
}

/** Return the problems of all texts. In a narrow page, readers scroll tables to the right. */
export function findProblems(texts, isNarrow) {
  // Elements that ignore the pointer are found at a point, too.
  const style = document.createElement("style");
  style.textContent = "* { pointer-events: auto !important; }";
  document.head.append(style);
  const panels = [...document.querySelectorAll("[data-panel]")];
  const problems = panels.flatMap((panel) => panelProblems(panel, texts, isNarrow));
  style.remove();
  return problems;
}
