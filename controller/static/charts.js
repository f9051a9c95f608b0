// Show the values of a chart at the time under the pointer, or at the time that the arrow keys choose.
// A line through all charts marks this time.
import { formatClock } from "./times.js";

const SVG = "http://www.w3.org/2000/svg";
const WIDTH = 600; // width and height of a chart in its own coordinates
const HEIGHT = 120;
const MAX_GAP_STEPS = 1.5; // as in controller/pages/charts.py
const OFFSET_PIXELS = 12;

const reading = document.body.appendChild(document.createElement("output"));
reading.className = "chart-reading floating-box";
reading.hidden = true;
let chosen = null; // the chart and the time

const plots = () => [...document.querySelectorAll(".charts svg[role=img]")];

function timeAxis() {
  const { start, end, step } = document.querySelector(".charts").dataset;
  return { start: Number(start), end: Number(end), step: Number(step) };
}

function choose(plot, time) {
  const { start, end, step } = timeAxis();
  const rounded = start + Math.round((time - start) / step) * step;
  chosen = { plot, time: Math.min(Math.max(rounded, start), end) };
  show();
}

function clear() {
  chosen = null;
  show();
}

function show() {
  for (const line of document.querySelectorAll(".crosshair")) line.remove();
  reading.hidden = !chosen;
  if (!chosen) return;
  const { start, end } = timeAxis();
  const x = (WIDTH * (chosen.time - start)) / (end - start);
  for (const plot of plots()) {
    const line = plot.appendChild(document.createElementNS(SVG, "path"));
    line.setAttribute("class", "crosshair");
    line.setAttribute("d", `M${x} 0V${HEIGHT}`);
  }
  const style = end - start > 86400 ? "day" : "seconds";
  const values = chosen.plot.matches(".timeline") ? stateAt(chosen.plot, x) : valuesAt(chosen.plot, x);
  reading.textContent = [formatClock(style, new Date(1000 * chosen.time)), ...values].join("\n");
  place(x / WIDTH);
}

// Put the reading beside the crosshair, on the side with more room, and within the window.
function place(fraction) {
  const box = chosen.plot.getBoundingClientRect();
  const x = box.left + fraction * box.width + scrollX;
  const isLeft = fraction > 0.5;
  const left = isLeft ? x - reading.offsetWidth - OFFSET_PIXELS : x + OFFSET_PIXELS;
  const maximum = scrollX + document.documentElement.clientWidth - reading.offsetWidth;
  reading.style.left = `${Math.max(0, Math.min(left, maximum))}px`;
  reading.style.top = `${box.top + scrollY}px`;
}

function stateAt(plot, x) {
  const segments = [...plot.querySelectorAll("rect")];
  const segment = segments.find(
    (each) => each.x.baseVal.value <= x && x <= each.x.baseVal.value + each.width.baseVal.value,
  );
  return [`${plot.dataset.name} ${segment?.dataset.state ?? "no data"}`];
}

function valuesAt(plot, x) {
  const { unit, digits, minimum, maximum } = plot.dataset;
  const range = Number(maximum) - Number(minimum);
  return [...plot.querySelectorAll(".line")].map((line) => {
    const y = yNear(line.getAttribute("d"), x);
    const value = Number(minimum) + (range * (HEIGHT - y)) / HEIGHT;
    return `${line.dataset.name} ${y === null ? "no data" : `${value.toFixed(digits)} ${unit}`}`;
  });
}

// Return the vertical coordinate of the point of a line that is nearest to x, or null in a gap.
function yNear(path, x) {
  const { start, end, step } = timeAxis();
  let nearest = null;
  let distance = (MAX_GAP_STEPS * step * WIDTH) / (end - start) / 2;
  for (const [, pointX, pointY] of path.matchAll(/[ML](\S+) ([\d.-]+)/g)) {
    if (Math.abs(pointX - x) > distance) continue;
    nearest = Number(pointY);
    distance = Math.abs(pointX - x);
  }
  return nearest;
}

function followPointer(event) {
  const plot = event.target.closest?.(".charts svg[role=img]");
  if (!plot) return event.pointerType === "mouse" && !document.activeElement?.closest(".charts") && clear();
  const { start, end } = timeAxis();
  const box = plot.getBoundingClientRect();
  choose(plot, start + ((event.clientX - box.left) / box.width) * (end - start));
}

function followKey(event) {
  const plot = event.target.closest?.(".charts svg[role=img]");
  if (!plot || event.altKey || event.ctrlKey || event.metaKey) return;
  const { start, end, step } = timeAxis();
  const time = chosen?.time ?? end;
  const all = plots();
  const other = all[all.indexOf(plot) + { ArrowUp: -1, ArrowDown: 1 }[event.key]];
  const steps = { ArrowLeft: -1, ArrowRight: 1, PageUp: -10, PageDown: 10 }[event.key];
  if (other) other.focus();
  else if (steps) choose(plot, time + steps * step);
  else if (event.key === "Home" || event.key === "End") choose(plot, event.key === "Home" ? start : end);
  else if (event.key === "Escape") clear();
  else return;
  event.preventDefault();
}

// The charts are one tab stop. Updates of the page can replace them.
function updateTabStop() {
  const all = plots();
  const current = all.find((plot) => plot === document.activeElement) ?? all[0];
  for (const plot of all) plot.setAttribute("tabindex", plot === current ? "0" : "-1");
}

document.addEventListener("pointermove", followPointer);
document.addEventListener("pointerdown", followPointer);
document.addEventListener("keydown", followKey);
document.addEventListener("focusin", (event) => {
  const plot = event.target.closest(".charts svg[role=img]");
  if (!plot) return clear();
  updateTabStop();
  choose(plot, chosen?.time ?? timeAxis().end);
});
document.addEventListener("refreshed", () => {
  updateTabStop();
  if (chosen && !(chosen.plot.isConnected && chosen.time >= timeAxis().start)) chosen = null;
  show();
});
updateTabStop();
