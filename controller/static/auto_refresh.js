// Keeps <main> up to date without a reload.
// The server renders the page; this script asks for it again, with the ETag of what is shown,
// and morphs what differs, so that focus, selection, scroll position and what was typed stay.

const TIMEOUT_MS = 5000;
const lost = document.getElementById("lost");
const main = document.querySelector("main");
let etag = null;
let newest = 0;

document.documentElement.classList.add("scripted");

// What somebody has typed, ticked, chosen or opened is theirs.
const OWN = new Set(["checked", "value", "selected", "open"]);
const THEIRS = "input:not([type=hidden]), select, option, textarea, details";
const keepWhatIsTheReaders = {
  callbacks: {
    beforeAttributeUpdated: (name, element) => !(OWN.has(name) && element.matches(THEIRS)),
  },
};

// Shows the page of the present address as it is now; a later call outruns an earlier one.
export async function refresh() {
  const turn = ++newest;
  const response = await fetch(location.href, {
    cache: "no-store",
    headers: etag ? { "If-None-Match": etag } : {},
    signal: AbortSignal.timeout(TIMEOUT_MS),
  });
  if (response.status === 304 || turn !== newest) return;
  if (response.redirected) return location.assign(response.url); // the session has ended: log in
  if (!response.ok) throw new Error(`HTTP ${response.status}`);
  const text = await response.text();
  if (turn !== newest) return;
  const page = new DOMParser().parseFromString(text, "text/html");
  Idiomorph.morph(main, page.querySelector("main"), keepWhatIsTheReaders);
  document.title = page.title;
  etag = response.headers.get("ETag");
  document.dispatchEvent(new Event("refreshed"));
}

async function keepFresh() {
  for (;;) {
    // The page itself says how often, and may say with a change that it will change no more.
    const seconds = Number(main.dataset.refreshSeconds);
    await nextTurn((seconds || 5) * 1000);
    if (!seconds) continue;
    try {
      await refresh();
      lost.hidden = true;
    } catch (error) {
      console.warn("The page cannot be brought up to date:", error);
      lost.hidden = false;
    }
  }
}

// A page that nobody sees asks nothing; it asks at once when it is seen again.
function nextTurn(milliseconds) {
  return new Promise((resolve) => {
    const go = () => {
      if (document.hidden) return;
      document.removeEventListener("visibilitychange", go);
      resolve();
    };
    setTimeout(() => {
      document.addEventListener("visibilitychange", go);
      go();
    }, milliseconds);
  });
}

if (main.dataset.refreshSeconds) keepFresh();
