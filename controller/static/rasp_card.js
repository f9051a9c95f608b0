// Show details of a rasp next to its tile, on hover of the mouse and on focus by keyboard. The card stays
// while the pointer is on it, and Escape closes it (WCAG 1.4.13).
import { rewriteTimes } from "./times.js";

const SHOW_DELAY_MS = 400;
const HIDE_DELAY_MS = 250; // the pointer moves from the tile to the card
const MAX_AGE_MS = 10_000;

const rack = document.querySelector(".rack");
const card = document.getElementById("rasp-card");
const details = new Map(); // HTML of each rasp, and when it was requested
let tile = null; // whose card is shown or requested
let dismissed = null; // tile whose card was closed
let timer = null;

async function loadDetails(href) {
  const stored = details.get(href);
  if (stored && Date.now() - stored.requestedAt < MAX_AGE_MS) return stored.html;
  const requestedAt = Date.now();
  const response = await fetch(`${href}/card`, { cache: "no-store" });
  if (!response.ok || response.redirected) throw new Error(`HTTP ${response.status}`);
  const html = await response.text();
  details.set(href, { html, requestedAt });
  return html;
}

async function show(element) {
  try {
    const html = await loadDetails(element.getAttribute("href"));
    if (element !== tile) return;
    Idiomorph.morph(card, html, { morphStyle: "innerHTML" });
    rewriteTimes();
    card.hidden = false;
    place(element.getBoundingClientRect());
  } catch (error) {
    console.warn("The details cannot be shown:", error);
    hide();
  }
}

// Put the card beside the tile, on the side with more room, and within the window.
function place(box) {
  const { clientWidth, clientHeight } = document.documentElement;
  const { offsetWidth: width, offsetHeight: height } = card;
  const isLeft = box.left + box.right > clientWidth;
  const left = isLeft ? box.left - width : box.right;
  const top = Math.min(box.top, clientHeight - height);
  card.style.left = `${scrollX + Math.max(0, Math.min(left, clientWidth - width))}px`;
  card.style.top = `${scrollY + Math.max(0, top)}px`;
}

function hide() {
  clearTimeout(timer);
  tile = null;
  card.hidden = true;
}

// Show no card again until the pointer or the focus is on another tile.
function dismiss() {
  dismissed = tile ?? document.querySelector(".rack a.rasp:is(:hover, :focus-visible)");
  hide();
}

function choose(element) {
  clearTimeout(timer);
  if (element === tile || element === dismissed) return;
  dismissed = null;
  timer = setTimeout(() => {
    tile = element;
    show(element);
  }, SHOW_DELAY_MS);
}

function hideLater() {
  clearTimeout(timer);
  timer = setTimeout(hide, HIDE_DELAY_MS);
}

const tileOf = (event) => event.target.closest?.(".rack a.rasp");

rack.addEventListener("pointerover", (event) => {
  const element = tileOf(event);
  if (event.pointerType !== "touch" && element && !event.buttons) choose(element);
});
rack.addEventListener("pointerout", (event) => {
  if (event.pointerType === "touch") return;
  if (!dismissed?.contains(event.relatedTarget)) dismissed = null;
  hideLater();
});
card.addEventListener("pointerenter", () => clearTimeout(timer));
card.addEventListener("pointerleave", hideLater);
rack.addEventListener("focusin", (event) => {
  const element = tileOf(event);
  if (element?.matches(":focus-visible")) choose(element);
});
rack.addEventListener("focusout", () => card.matches(":hover") || hide());
rack.addEventListener("scroll", hide);
// Selecting rasps needs no card.
rack.addEventListener("pointerdown", dismiss);
rack.addEventListener("keydown", (event) => event.key === " " && dismiss());
document.addEventListener(
  "keydown",
  (event) => {
    if (event.key !== "Escape" || card.hidden) return;
    event.stopPropagation(); // keeps the selection
    dismiss();
  },
  { capture: true },
);
document.addEventListener("refreshed", () => {
  if (card.hidden) return;
  if (tile.isConnected) show(tile);
  else hide();
});
