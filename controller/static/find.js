// Find or do: Ctrl+K or Cmd+K opens a dialog with a combobox. The server renders the matches, as on
// the page /find. The arrow keys choose one of them, Enter opens it, and Escape closes the dialog.

const DELAY_MS = 120;
const TIMEOUT_MS = 5000;
const LABEL = "Find or do";

const link = document.getElementById("find-link");
const dialog = document.body.appendChild(document.createElement("dialog"));
dialog.className = "find-dialog";
dialog.setAttribute("aria-label", LABEL);
dialog.innerHTML = `
  <input class="form-control" role="combobox" aria-label="${LABEL}" aria-expanded="false"
    aria-controls="find-list" aria-autocomplete="list" maxlength="100" placeholder="${LABEL}…"
    autocomplete="off" autocapitalize="none" spellcheck="false">
  <p class="hint sentence" role="status"></p>
  <div class="find-matches" id="find-list" role="listbox" aria-label="Matches"></div>`;
const [input, status, list] = dialog.children;

const options = () => [...list.querySelectorAll(".find-match")];
let active = 0;
let timer = null;
let latestRequest = null; // until its matches are shown
let isEntered = false; // whether Enter was pressed before the matches of the text were shown

function open() {
  if (dialog.open) return;
  input.value = "";
  dialog.showModal();
  update();
}

function schedule() {
  abort();
  latestRequest = new AbortController();
  timer = setTimeout(update, DELAY_MS);
}

function abort() {
  clearTimeout(timer);
  latestRequest?.abort();
  latestRequest = null;
  isEntered = false;
}

async function update() {
  clearTimeout(timer);
  latestRequest?.abort();
  const request = (latestRequest = new AbortController());
  const timeout = setTimeout(() => request.abort(), TIMEOUT_MS);
  const url = new URL(link.dataset.matches, location.href);
  url.searchParams.set("q", input.value);
  const moment = new URL(location.href).searchParams.get("at");
  if (moment) url.searchParams.set("at", moment); // the past has no orders
  try {
    const response = await fetch(url, { cache: "no-store", signal: request.signal });
    if (response.redirected) return location.assign(link.href); // the session ended: log in
    if (!response.ok) throw new Error(`HTTP ${response.status}`);
    const text = await response.text();
    if (request === latestRequest) show(new DOMParser().parseFromString(text, "text/html"));
  } catch (error) {
    if (request !== latestRequest) return;
    console.warn("Finding failed:", error);
    list.replaceChildren();
    showStatus("The controller does not respond.");
    finish();
  } finally {
    clearTimeout(timeout);
  }
}

function show(page) {
  list.replaceChildren(...page.getElementById("find-matches").children);
  // The same markup is a list of links and buttons on the page /find.
  for (const heading of list.querySelectorAll("h2")) heading.setAttribute("role", "presentation");
  for (const group of list.querySelectorAll("ul")) {
    group.setAttribute("role", "group");
    group.setAttribute("aria-label", group.previousElementSibling.textContent);
  }
  for (const wrapper of list.querySelectorAll("li, form")) wrapper.setAttribute("role", "none");
  options().forEach((option, number) => {
    option.id = `find-option-${number}`;
    option.setAttribute("role", "option");
    option.tabIndex = -1;
  });
  choose(0);
  showStatus(page.getElementById("found").textContent);
  const wasEntered = isEntered;
  finish();
  if (wasEntered) activate();
}

function finish() {
  latestRequest = null;
  isEntered = false;
  input.setAttribute("aria-expanded", String(options().length > 0));
}

// Screen readers announce each assignment, so unchanged text is not assigned.
function showStatus(text) {
  if (status.textContent !== text) status.textContent = text;
}

function choose(number) {
  const all = options();
  active = all.length ? (number + all.length) % all.length : 0;
  all.forEach((option, each) => option.setAttribute("aria-selected", String(each === active)));
  if (all.length) {
    input.setAttribute("aria-activedescendant", all[active].id);
    all[active].scrollIntoView({ block: "nearest" });
  } else {
    input.removeAttribute("aria-activedescendant");
  }
}

function activate() {
  if (latestRequest) isEntered = true;
  else options()[active]?.click();
}

input.addEventListener("input", schedule);
input.addEventListener("keydown", (event) => {
  if (event.isComposing) return;
  const action = {
    ArrowDown: () => choose(active + 1),
    ArrowUp: () => choose(active - 1),
    Enter: activate,
  }[event.key];
  if (!action) return;
  event.preventDefault();
  action();
});
list.addEventListener("click", (event) => {
  const option = event.target.closest(".find-match");
  if (!option) return;
  const { completion } = option.dataset;
  if (!completion) return dialog.close(); // the link is followed, or the form is submitted
  event.preventDefault();
  input.value = completion;
  input.focus();
  update();
});
dialog.addEventListener("close", () => {
  if (!dialog.open) abort(); // it can be open again
});
dialog.addEventListener("click", (event) => {
  if (event.target === dialog) dialog.close(); // beside the content
});

const isShortcut = (event) =>
  event.key.toLowerCase() === "k" &&
  (event.ctrlKey || event.metaKey) &&
  !event.altKey &&
  !event.shiftKey;

dialog.addEventListener("keydown", (event) => {
  if (!dialog.open) return; // its field has the focus for a moment after it was closed
  event.stopPropagation(); // Escape closes the dialog and nothing else
  if (isShortcut(event)) event.preventDefault();
});
document.addEventListener("keydown", (event) => {
  if (!isShortcut(event)) return;
  event.preventDefault();
  open();
});
link.addEventListener("click", (event) => {
  if (event.ctrlKey || event.metaKey || event.shiftKey) return; // in another tab or window
  event.preventDefault();
  open();
});
if (/Mac|iP(hone|ad)/.test(navigator.platform)) link.querySelector("kbd").textContent = "⌘ K";
