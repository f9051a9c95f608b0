// Make the rack one tab stop, and move the focus between its stacks and rasps with the arrow keys.
const ITEMS = ".stack-name a, .stack-menu > button, a.rasp";
const rack = document.querySelector(".rack");
const items = () => [...rack.querySelectorAll(ITEMS)];
const stacks = () => [...rack.querySelectorAll(".stack")];
const keyOf = (item) => item.id || item.getAttribute("href");
let currentKey = null;

// Give the tab stop to the item that had the focus last. Updates of the page can replace items.
function updateTabStop() {
  const all = items();
  const current = all.find((item) => keyOf(item) === currentKey) ?? firstRasp(all);
  for (const element of rack.querySelectorAll("a, button, input")) {
    element.tabIndex = element === current ? 0 : -1;
  }
  rack.removeAttribute("tabindex"); // the item scrolls the rack
}

const firstRasp = (all) => all.find((item) => item.matches(".rasp"));

function moveFocus(event) {
  const current = event.target.closest?.(ITEMS);
  if (!current || event.altKey || event.ctrlKey || event.metaKey) return;
  const target = findTarget(current, event.key);
  if (!target) return;
  event.preventDefault();
  target.focus();
}

// Left and right are the stacks of the same row, across gaps. Above and below are the rasps of the
// stack, and then the nearest stack of the next row.
function findTarget(current, key) {
  const stack = current.closest(".stack");
  const lines = linesOf(stack);
  const index = lines.findIndex((line) => line.includes(current));
  const position = lines[index].indexOf(current);
  switch (key) {
    case "ArrowLeft":
      return lines[index][position - 1] ?? lineBeside(stack, -1, index)?.at(-1);
    case "ArrowRight":
      return lines[index][position + 1] ?? lineBeside(stack, 1, index)?.[0];
    case "ArrowUp":
      return (lines[index - 1] ?? linesOf(stackInNextRow(stack, -1)).at(-1))?.[0];
    case "ArrowDown":
      return (lines[index + 1] ?? linesOf(stackInNextRow(stack, 1))[0])?.[0];
    case "Home":
      return items()[0];
    case "End":
      return items().at(-1);
  }
}

// The head of a stack is its first line, and each rasp is a line.
function linesOf(stack) {
  const all = [...(stack?.querySelectorAll(ITEMS) ?? [])];
  const head = all.filter((item) => !item.matches(".rasp"));
  return head.length ? [head, ...all.slice(head.length).map((rasp) => [rasp])] : [];
}

// A shorter stack has its last rasp beside the rasps that it lacks.
function lineBeside(stack, step, index) {
  const row = stacks().filter((other) => other.offsetTop === stack.offsetTop);
  const lines = linesOf(row[row.indexOf(stack) + step]);
  return lines[index] ?? lines.at(-1);
}

// The stacks are in the order of their rows, also where the window is too narrow for the room.
function stackInNextRow(stack, step) {
  const tops = [...new Set(stacks().map((other) => other.offsetTop))];
  const top = tops[tops.indexOf(stack.offsetTop) + step];
  const distance = (other) => Math.abs(other.offsetLeft - stack.offsetLeft);
  const row = stacks().filter((other) => other.offsetTop === top);
  return row.sort((one, other) => distance(one) - distance(other))[0];
}

rack.addEventListener("keydown", moveFocus);
rack.addEventListener("focusin", (event) => {
  if (event.target.closest(".menu")) return;
  const item = event.target.closest(ITEMS) ?? event.target.parentElement.querySelector(ITEMS);
  currentKey = item ? keyOf(item) : currentKey;
  updateTabStop();
});
document.addEventListener("refreshed", updateTabStop);
updateTabStop();
