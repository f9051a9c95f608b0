// Show for some seconds that an order ended, unless this page shows the order. The updates of a page
// contain the orders that ended last, newest first.

const SHOWN_MS = 10_000;
const toasts = document.getElementById("toasts");
const main = document.querySelector("main");

const endedOrders = (page) => [...(page.getElementById("ended-orders")?.content.children ?? [])];
const known = new Set(endedOrders(document).map((note) => note.dataset.order));

function isShown(note) {
  const { href } = note.querySelector("a");
  // Marks above the lanes of the rack page are links, too, but do not show the result.
  const links = [...main.querySelectorAll(":not(svg) > a")];
  return location.href.split(/[?#]/)[0] === href || links.some((link) => link.href === href);
}

function show(note) {
  const button = note.appendChild(document.createElement("button"));
  button.type = "button";
  button.className = "toast-dismiss";
  button.textContent = "×";
  button.setAttribute("aria-label", "Dismiss");
  button.addEventListener("click", () => note.remove());
  toasts.append(note);
  hideLater(note);
}

// A message stays while it is read with the pointer, or has the focus.
function hideLater(note) {
  setTimeout(() => {
    if (note.matches(":hover, :focus-within")) hideLater(note);
    else note.remove();
  }, SHOWN_MS);
}

document.addEventListener("refreshed", (event) => {
  for (const note of endedOrders(event.detail).reverse()) {
    if (known.has(note.dataset.order)) continue;
    known.add(note.dataset.order);
    const own = document.importNode(note, true);
    if (!isShown(own)) show(own);
  }
});
