// Update <main>, the navigation, the title and the icon without a reload.
// This script requests the page with the ETag of the current version and morphs the differences,
// so focus, selection, scroll position and user input are preserved. A part of the response with the
// attribute data-keep is empty, and stays as it is.

const TIMEOUT_MS = 5000;
const connectionLost = document.getElementById("connection-lost");
const main = document.querySelector("main");
let etag = null;
let latestRequest = 0;

document.documentElement.classList.add("js");

// Attributes that the user changes by typing, checking, selecting or opening. keyboard.js and
// charts.js set tab stops.
const USER_ATTRIBUTES = new Set(["checked", "value", "selected", "open"]);
const USER_ELEMENTS = "input:not([type=hidden]), select, option, textarea, details";
export const morphOptions = {
  callbacks: {
    beforeNodeMorphed: (_, update) => !update.hasAttribute?.("data-keep"),
    beforeAttributeUpdated: (name, element) =>
      name !== "tabindex" && !(USER_ATTRIBUTES.has(name) && element.matches(USER_ELEMENTS)),
  },
};

// Request the page at the current address and display it. A newer call supersedes this one.
export async function refresh() {
  const request = ++latestRequest;
  const response = await fetch(location.href, {
    cache: "no-store",
    headers: { Prefer: "return=minimal", ...(etag && { "If-None-Match": etag }) },
    signal: AbortSignal.timeout(TIMEOUT_MS),
  });
  if (response.status === 304 || request !== latestRequest) return;
  if (response.redirected) return location.assign(response.url); // the session ended: log in
  if (!response.ok) throw new Error(`HTTP ${response.status}`);
  const text = await response.text();
  if (request !== latestRequest) return;
  const page = new DOMParser().parseFromString(text, "text/html");
  Idiomorph.morph(main, page.querySelector("main"), morphOptions);
  for (const id of ["main-nav", "icon"]) {
    const element = document.getElementById(id);
    const update = page.getElementById(id);
    if (element && update) Idiomorph.morph(element, update);
  }
  document.title = page.title;
  etag = response.headers.get("ETag");
  document.dispatchEvent(new CustomEvent("refreshed", { detail: page }));
}

async function refreshForever() {
  for (;;) {
    // An update can change the interval or end the refreshing.
    const seconds = Number(main.dataset.refreshSeconds);
    await waitUntilVisible((seconds || 5) * 1000);
    if (!seconds) continue;
    try {
      await refresh();
      connectionLost.hidden = true;
      document.dispatchEvent(new Event("connected"));
    } catch (error) {
      console.warn("Refresh failed:", error);
      connectionLost.hidden = false;
    }
  }
}

// Wait for the interval, and then until the page is visible. Hidden pages send no requests.
function waitUntilVisible(milliseconds) {
  return new Promise((resolve) => {
    const resolveIfVisible = () => {
      if (document.hidden) return;
      document.removeEventListener("visibilitychange", resolveIfVisible);
      resolve();
    };
    setTimeout(() => {
      document.addEventListener("visibilitychange", resolveIfVisible);
      resolveIfVisible();
    }, milliseconds);
  });
}

if (main.dataset.refreshSeconds) refreshForever();
