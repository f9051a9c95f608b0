// Choose the moment that the rack page shows: drag on the lanes, or use the arrow keys.
// Space replays, and Escape returns to now.
import { morphOptions, refresh } from "./auto_refresh.js";

const MIN_INTERVAL_MS = 125; // at most eight requests per second
const REPLAY_INTERVAL_MS = 250;
const LANES_INTERVAL_MS = 60_000;
const PAGE_STEPS = 10;

const section = () => document.getElementById("rack-history");
const slider = () => document.getElementById("moment-slider");
const replayButton = () => document.getElementById("replay");

let moment = readMoment(); // in seconds since the epoch, or null for now
let replayTimer = null;
let isRequesting = false;
let isOutdated = false;

function readMoment() {
  const text = section().dataset.moment;
  return text ? Number(text) : null;
}

function axis() {
  const { start, end, step, present } = section().dataset;
  const isPresent = present !== undefined; // whether the lanes end now
  return { start: Number(start), end: Number(end), step: Number(step), isPresent };
}

// The controls for orders are not on pages of the past, so the current page is loaded completely.
function returnToNow() {
  const url = new URL(location.href);
  url.searchParams.delete("at");
  location.replace(url);
}

function moveTo(time) {
  const { start, end, isPresent } = axis();
  if (isPresent && time >= end) {
    stopReplay();
    if (moment !== null) returnToNow();
    return;
  }
  moment = Math.max(Math.round(time), 0);
  const url = new URL(location.href);
  url.searchParams.set("at", new Date(1000 * moment).toISOString().replace(".000Z", "Z"));
  history.replaceState(null, "", url);
  drawCursor();
  requestPage();
  if (moment < start || moment > end) updateLanes();
}

function drawCursor() {
  const { start, end } = axis();
  const shown = Math.min(Math.max(moment ?? end, start), end);
  const percent = (100 * (shown - start)) / (end - start);
  document.getElementById("lane-cursor").setAttribute("d", `M${percent} 0v1`);
}

// Request the page of the moment, one after another. Moments between two requests are skipped.
async function requestPage() {
  isOutdated = true;
  if (isRequesting) return;
  isRequesting = true;
  while (isOutdated) {
    isOutdated = false;
    const pause = new Promise((resolve) => setTimeout(resolve, MIN_INTERVAL_MS));
    await refresh().catch((error) => console.warn("The moment cannot be shown:", error));
    await pause;
  }
  isRequesting = false;
}

// Screen readers announce the text of the slider with its value.
function announce() {
  const banner = document.getElementById("past-moment");
  if (!banner) return;
  slider().setAttribute("aria-valuetext", banner.textContent);
  slider().setAttribute("aria-valuenow", String(moment));
  const field = document.getElementById("moment");
  // The server writes the time in the time zone of the master, as the form requires it.
  if (field !== document.activeElement) field.value = banner.querySelector("time").dateTime.slice(0, 19);
}

let latestLanes = 0;

async function updateLanes() {
  const request = ++latestLanes;
  const url = new URL(section().dataset.url, location.href);
  url.search = location.search;
  try {
    const response = await fetch(url, { cache: "no-store" });
    const text = await response.text();
    if (!response.ok || response.redirected || request !== latestLanes) return;
    Idiomorph.morph(section(), text.trim(), morphOptions);
    showReplay();
    drawCursor();
  } catch (error) {
    console.warn("The lanes cannot be updated:", error);
  }
}

function toggleReplay() {
  if (replayTimer) return stopReplay();
  const { start, step } = axis();
  replayTimer = setInterval(() => {
    const { end, isPresent } = axis();
    if (!isPresent && moment + step > end) stopReplay();
    else moveTo(moment + step);
  }, REPLAY_INTERVAL_MS);
  showReplay();
  if (moment === null) moveTo(start);
}

function stopReplay() {
  clearInterval(replayTimer);
  replayTimer = null;
  showReplay();
}

function showReplay() {
  replayButton().setAttribute("aria-pressed", String(replayTimer !== null));
}

function timeAt(event) {
  const { start, end } = axis();
  const box = slider().getBoundingClientRect();
  const fraction = Math.min(Math.max((event.clientX - box.left) / box.width, 0), 1);
  return start + fraction * (end - start);
}

function followKey(event) {
  if (event.altKey || event.ctrlKey || event.metaKey) return;
  if (event.key === "Escape" && moment !== null && !event.target.matches("input, select")) {
    return returnToNow();
  }
  if (event.target !== slider()) return;
  const { start, end, step } = axis();
  const steps = {
    ArrowLeft: -1,
    ArrowDown: -1,
    ArrowRight: 1,
    ArrowUp: 1,
    PageDown: -PAGE_STEPS,
    PageUp: PAGE_STEPS,
  }[event.key];
  if (event.key === " ") toggleReplay();
  else if (steps) moveTo((moment ?? end) + steps * step);
  else if (event.key === "Home") moveTo(start);
  else if (event.key === "End") moveTo(end);
  else return;
  event.preventDefault();
}

document.addEventListener("keydown", followKey);
document.addEventListener("pointerdown", (event) => {
  if (event.target !== slider() || event.button !== 0) return;
  stopReplay();
  slider().setPointerCapture(event.pointerId);
  moveTo(timeAt(event));
});
document.addEventListener("pointermove", (event) => {
  if (slider().hasPointerCapture(event.pointerId)) moveTo(timeAt(event));
});
// Otherwise the browser drags the link that an update moves to the place of the pointer.
document.addEventListener("mousedown", (event) => {
  if (event.target !== slider()) return;
  event.preventDefault();
  slider().focus();
});
document.addEventListener("click", (event) => {
  if (event.target === replayButton()) toggleReplay();
});
document.addEventListener("refreshed", announce);
setInterval(() => {
  const isFailed = section().querySelector(".empty") !== null;
  if ((moment === null || isFailed) && !document.hidden) updateLanes();
}, LANES_INTERVAL_MS);
