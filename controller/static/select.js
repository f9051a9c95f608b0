// Selecting rasps and stacks: by their boxes, by Ctrl or Shift and a click, by Space on a rasp in
// the rack, and by drawing a frame around them. The boxes alone hold what is selected, and the form
// sends them; this script ticks them and says how many they are.

const form = document.getElementById("act");
const picked = document.getElementById("picked");
const select = document.getElementById("do");
const nothingPicked = picked.textContent;

const rasps = () => [...document.querySelectorAll("input.pick[name=rasp]")];
const stacks = () => [...document.querySelectorAll("input.pick[name=stack]")];
const raspsOf = (stack) => rasps().filter((box) => box.dataset.stack === stack.value);

// A stack is ticked while all of its rasps are.
function settle() {
  for (const stack of stacks()) {
    const own = raspsOf(stack);
    const count = own.filter((box) => box.checked).length;
    stack.checked = own.length > 0 && count === own.length;
    stack.indeterminate = count > 0 && !stack.checked;
  }
  const count = rasps().filter((box) => box.checked).length;
  const whole = stacks().filter((box) => box.checked).length;
  const words = [`${count} rasp${count === 1 ? "" : "s"}`];
  if (whole) words.push(`${whole} whole stack${whole === 1 ? "" : "s"}`);
  say(count ? `${words.join(", ")} selected` : nothingPicked);
  form.classList.toggle("is-active", count > 0);
  const power = select.querySelector("[data-power]");
  power.disabled = !whole;
  if (!whole && select.selectedOptions[0]?.parentElement === power) select.selectedIndex = 0;
}

// Only what is new is said: a screen reader reads it out each time.
function say(text) {
  if (picked.textContent !== text) picked.textContent = text;
}

function set(boxes, checked) {
  for (const box of boxes) box.checked = checked;
  settle();
}

document.addEventListener("change", (event) => {
  const box = event.target;
  if (box.id === "pick-all") return set(rasps(), box.checked);
  if (!box.matches?.("input.pick")) return;
  set(box.name === "stack" ? raspsOf(box) : [box], box.checked);
});
document.getElementById("unpick").addEventListener("click", () => set(rasps(), false));

const boxOf = (link) => link?.closest(".cell")?.querySelector("input.pick");
let last = null;

document.addEventListener("click", (event) => {
  const box = boxOf(event.target.closest?.(".rack a.rasp"));
  if (!box || !(event.ctrlKey || event.metaKey || event.shiftKey)) return;
  event.preventDefault();
  const all = rasps();
  const from = all.indexOf(last);
  if (event.shiftKey && from >= 0) {
    const to = all.indexOf(box);
    set(all.slice(Math.min(from, to), Math.max(from, to) + 1), true);
  } else {
    set([box], !box.checked);
  }
  last = box;
});

document.addEventListener("keydown", (event) => {
  const box = boxOf(document.activeElement?.closest(".rack a.rasp"));
  if (event.key === " " && box) {
    event.preventDefault();
    set([box], !box.checked);
    last = box;
  } else if (event.key === "Escape" && !event.target.matches("input[type=search], select")) {
    set(rasps(), false);
  }
});

// The frame: drawn with the mouse's first button, anywhere in the rack.
const rack = document.querySelector(".rack");
let start = null;
let frame = null;

function drawFrame(event) {
  const [left, right] = [start.x, event.clientX].sort((a, b) => a - b);
  const [top, bottom] = [start.y, event.clientY].sort((a, b) => a - b);
  if (!frame) {
    if (right - left < 6 && bottom - top < 6) return null;
    frame = document.body.appendChild(document.createElement("div"));
    frame.className = "frame";
  }
  // By the script's own hand, which the page's policy allows; a style attribute it would not.
  Object.assign(frame.style, {
    left: `${left}px`,
    top: `${top}px`,
    width: `${right - left}px`,
    height: `${bottom - top}px`,
  });
  return { left, right, top, bottom };
}

function endFrame(event) {
  document.removeEventListener("pointermove", drawFrame);
  const area = frame && drawFrame(event);
  if (!area) return;
  frame.remove();
  frame = null;
  // The click that comes with the end of a frame is none.
  const swallow = (click) => {
    click.preventDefault();
    click.stopPropagation();
  };
  document.addEventListener("click", swallow, { capture: true, once: true });
  setTimeout(() => document.removeEventListener("click", swallow, { capture: true }), 0);
  const inside = [...rack.querySelectorAll("a.rasp")].filter((rasp) => {
    const box = rasp.getBoundingClientRect();
    return (
      box.left < area.right && box.right > area.left && box.top < area.bottom && box.bottom > area.top
    );
  });
  set(inside.map(boxOf), true);
}

rack?.addEventListener("pointerdown", (event) => {
  if (event.pointerType !== "mouse" || event.button !== 0 || event.target.matches("input")) return;
  start = { x: event.clientX, y: event.clientY };
  document.addEventListener("pointermove", drawFrame);
  document.addEventListener("pointerup", endFrame, { once: true });
});
rack?.addEventListener("dragstart", (event) => event.preventDefault());

document.addEventListener("refreshed", settle);
window.addEventListener("pageshow", settle); // a page that one comes back to has kept its ticks
settle();
