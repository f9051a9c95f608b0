// Keeps <main> up to date without a reload, and lets arrow keys walk from rasp to rasp.
// The server renders the page; this script asks for it again, with the ETag of what is shown,
// and morphs what differs, so that focus, selection and scroll position stay.

const TIMEOUT_MS = 5000;
const lost = document.getElementById("lost");
let etag = null;

async function refresh(main) {
  const response = await fetch(location.href, {
    cache: "no-store",
    headers: etag ? { "If-None-Match": etag } : {},
    signal: AbortSignal.timeout(TIMEOUT_MS),
  });
  if (response.status === 304) return;
  if (response.redirected) return location.assign(response.url); // the session has ended: log in
  if (!response.ok) throw new Error(`HTTP ${response.status}`);
  const page = new DOMParser().parseFromString(await response.text(), "text/html");
  Idiomorph.morph(main, page.querySelector("main"));
  document.title = page.title;
  etag = response.headers.get("ETag");
}

async function keepFresh(main, milliseconds) {
  for (;;) {
    await nextTurn(milliseconds);
    try {
      await refresh(main);
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

const STEPS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

function walk(event) {
  const step = STEPS[event.key];
  const from = event.target.closest?.(".rack .rasp");
  if (!step || !from || event.altKey || event.ctrlKey || event.metaKey) return;
  const nearest = nearestInDirection(from, step);
  if (!nearest) return;
  event.preventDefault();
  nearest.focus();
}

function nearestInDirection(from, [dx, dy]) {
  const start = centre(from);
  let nearest = null;
  let least = Infinity;
  for (const rasp of document.querySelectorAll(".rack a.rasp")) {
    const end = centre(rasp);
    const along = (end.x - start.x) * dx + (end.y - start.y) * dy;
    const aside = Math.abs((end.x - start.x) * dy) + Math.abs((end.y - start.y) * dx);
    const distance = along + 3 * aside; // straight on before round the corner
    if (along > 1 && distance < least) [nearest, least] = [rasp, distance];
  }
  return nearest;
}

function centre(element) {
  const box = element.getBoundingClientRect();
  return { x: box.x + box.width / 2, y: box.y + box.height / 2 };
}

document.addEventListener("keydown", walk);
const main = document.querySelector("main[data-refresh-seconds]");
if (main) keepFresh(main, Number(main.dataset.refreshSeconds) * 1000);
