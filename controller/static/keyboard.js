// Make the rack one tab stop, and move the focus between its stacks and rasps with the arrow keys.
const DIRECTIONS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const SIDEWAYS_PENALTY = 3; // prefers what is straight ahead
const rack = document.querySelector(".rack");
const items = () => [...rack.querySelectorAll("a")];
let currentHref = null;

// Give the tab stop to the item that had the focus last. Updates of the page can replace items.
function updateTabStop() {
  const all = items();
  const current = all.find((item) => item.getAttribute("href") === currentHref) ?? firstRasp(all);
  for (const element of rack.querySelectorAll("a, input")) {
    element.tabIndex = element === current ? 0 : -1;
  }
  rack.removeAttribute("tabindex"); // the item scrolls the rack
}

const firstRasp = (all) => all.find((item) => item.matches(".rasp"));

function moveFocus(event) {
  const current = event.target.closest?.("a");
  if (!current || event.altKey || event.ctrlKey || event.metaKey) return;
  const next = { Home: () => items()[0], End: () => items().at(-1) }[event.key]?.();
  const direction = DIRECTIONS[event.key];
  const target = next ?? (direction && nearestInDirection(current, direction));
  if (!target) return;
  event.preventDefault();
  target.focus();
}

function nearestInDirection(current, [dx, dy]) {
  const start = center(current);
  let nearest = null;
  let minDistance = Infinity;
  for (const item of items()) {
    const end = center(item);
    const forward = (end.x - start.x) * dx + (end.y - start.y) * dy;
    const sideways = Math.abs((end.x - start.x) * dy) + Math.abs((end.y - start.y) * dx);
    const distance = forward + SIDEWAYS_PENALTY * sideways;
    if (forward > 1 && distance < minDistance) [nearest, minDistance] = [item, distance];
  }
  return nearest;
}

function center(element) {
  const box = element.getBoundingClientRect();
  return { x: box.x + box.width / 2, y: box.y + box.height / 2 };
}

rack.addEventListener("keydown", moveFocus);
rack.addEventListener("focusin", (event) => {
  const item = event.target.closest("a") ?? event.target.parentElement.querySelector("a");
  currentHref = item?.getAttribute("href") ?? currentHref;
  updateTabStop();
});
document.addEventListener("refreshed", updateTabStop);
updateTabStop();
