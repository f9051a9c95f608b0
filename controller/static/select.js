// Select rasps and stacks by checkbox, Ctrl+click, Shift+click, Space, or a frame drawn with the mouse.
// The checkboxes hold the selection. The form submits them.

const form = document.getElementById("selection-form");
const summary = document.getElementById("selection-summary");
const actionField = document.getElementById("selection-action");
const runButton = document.getElementById("run-on-selection");
const emptySummary = summary.textContent;

const raspBoxes = () => [...document.querySelectorAll("input.select-box[name=rasp]")];
const stackBoxes = () => [...document.querySelectorAll("input.select-box[name=stack]")];
const raspBoxesOf = (stackBox) => raspBoxes().filter((box) => box.dataset.stack === stackBox.value);

// Update everything that depends on the selected rasps. A stack is checked if all its rasps are.
function update() {
  for (const stackBox of stackBoxes()) {
    const boxes = raspBoxesOf(stackBox);
    const count = boxes.filter((box) => box.checked).length;
    stackBox.checked = boxes.length > 0 && count === boxes.length;
    stackBox.indeterminate = count > 0 && !stackBox.checked;
  }
  const raspCount = raspBoxes().filter((box) => box.checked).length;
  const stackCount = stackBoxes().filter((box) => box.checked).length;
  const parts = [`${raspCount} rasp${raspCount === 1 ? "" : "s"}`];
  if (stackCount) parts.push(`${stackCount} whole stack${stackCount === 1 ? "" : "s"}`);
  setSummary(raspCount ? `${parts.join(", ")} selected` : emptySummary);
  form.classList.toggle("is-active", raspCount > 0);
  runButton.disabled = raspCount === 0;
  const powerActions = actionField.querySelector("[data-power]");
  // A rasp without an outlet of its own is switched with its whole stack only.
  const hasOutlet = raspBoxes().some((box) => box.checked && "outlet" in box.dataset);
  powerActions.disabled = !stackCount && !hasOutlet;
  if (powerActions.disabled && actionField.selectedOptions[0]?.parentElement === powerActions) {
    actionField.selectedIndex = 0;
  }
}

// Screen readers announce each assignment, so unchanged text is not assigned.
function setSummary(text) {
  if (summary.textContent !== text) summary.textContent = text;
}

function setChecked(boxes, checked) {
  for (const box of boxes) box.checked = checked;
  update();
}

document.addEventListener("change", (event) => {
  const box = event.target;
  if (box.id === "select-all") return setChecked(raspBoxes(), box.checked);
  if (!box.matches?.("input.select-box")) return;
  setChecked(box.name === "stack" ? raspBoxesOf(box) : [box], box.checked);
});
document
  .getElementById("clear-selection")
  .addEventListener("click", () => setChecked(raspBoxes(), false));

const boxOf = (item) => item?.closest(".cell, .stack-name")?.querySelector("input.select-box");
let lastBox = null;

document.addEventListener("click", (event) => {
  const box = boxOf(event.target.closest?.(".rack a.rasp"));
  if (!box || !(event.ctrlKey || event.metaKey || event.shiftKey)) return;
  event.preventDefault();
  const boxes = raspBoxes();
  const from = boxes.indexOf(lastBox);
  if (event.shiftKey && from >= 0) {
    const to = boxes.indexOf(box);
    setChecked(boxes.slice(Math.min(from, to), Math.max(from, to) + 1), true);
  } else {
    setChecked([box], !box.checked);
  }
  lastBox = box;
});

document.addEventListener("keydown", (event) => {
  const box = boxOf(document.activeElement?.closest(".rack a"));
  if (event.key === " " && box) {
    event.preventDefault();
    setChecked(box.name === "stack" ? raspBoxesOf(box) : [box], !box.checked);
    lastBox = box;
  } else if (event.key === "Escape" && !event.target.matches("input[type=search], select, .menu a")) {
    setChecked(raspBoxes(), false);
  }
});

// The frame is drawn with the primary mouse button, starting anywhere in the rack.
const MIN_FRAME_PIXELS = 6;
const rack = document.querySelector(".rack");
let start = null;
let frame = null;

function drawFrame(event) {
  const [left, right] = [start.x, event.clientX].sort((a, b) => a - b);
  const [top, bottom] = [start.y, event.clientY].sort((a, b) => a - b);
  if (!frame) {
    if (right - left < MIN_FRAME_PIXELS && bottom - top < MIN_FRAME_PIXELS) return null;
    frame = document.body.appendChild(document.createElement("div"));
    frame.className = "selection-frame";
  }
  // The Content-Security-Policy allows this assignment, but no style attribute in HTML.
  Object.assign(frame.style, {
    left: `${left}px`,
    top: `${top}px`,
    width: `${right - left}px`,
    height: `${bottom - top}px`,
  });
  return { left, right, top, bottom };
}

function finishFrame(event) {
  document.removeEventListener("pointermove", drawFrame);
  const area = frame && drawFrame(event);
  if (!area) return;
  frame.remove();
  frame = null;
  // Releasing the button also triggers a click on the rasp under the pointer. Suppress it.
  const suppress = (click) => {
    click.preventDefault();
    click.stopPropagation();
  };
  document.addEventListener("click", suppress, { capture: true, once: true });
  setTimeout(() => document.removeEventListener("click", suppress, { capture: true }), 0);
  const rasps = [...rack.querySelectorAll("a.rasp")].filter((rasp) => {
    const box = rasp.getBoundingClientRect();
    return (
      box.left < area.right && box.right > area.left && box.top < area.bottom && box.bottom > area.top
    );
  });
  setChecked(rasps.map(boxOf).filter(Boolean), true); // in the past there are no boxes
}

rack?.addEventListener("pointerdown", (event) => {
  if (event.pointerType !== "mouse" || event.button !== 0) return;
  if (event.target.closest("input, .stack-menu")) return;
  start = { x: event.clientX, y: event.clientY };
  document.addEventListener("pointermove", drawFrame);
  document.addEventListener("pointerup", finishFrame, { once: true });
});
rack?.addEventListener("dragstart", (event) => event.preventDefault());

document.addEventListener("refreshed", update);
window.addEventListener("pageshow", update); // browsers restore checkboxes when the user goes back
update();
