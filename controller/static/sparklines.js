// Update the sparklines of the rack once a minute. The updates of the page keep them as they are.
import { morphOptions } from "./auto_refresh.js";

const INTERVAL_MS = 60_000;

async function update() {
  const sparklines = document.getElementById("sparklines");
  if (!sparklines || document.hidden) return; // in the past there are none
  try {
    const response = await fetch(sparklines.dataset.url, { cache: "no-store" });
    const text = await response.text();
    if (response.ok && !response.redirected) Idiomorph.morph(sparklines, text.trim(), morphOptions);
  } catch (error) {
    console.warn("The sparklines cannot be updated:", error);
  }
}

setInterval(update, INTERVAL_MS);
