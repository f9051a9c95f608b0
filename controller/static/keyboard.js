// Move the focus between the rasps of the rack with the arrow keys.
const DIRECTIONS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const SIDEWAYS_PENALTY = 3; // prefers rasps straight ahead

function moveFocus(event) {
  const direction = DIRECTIONS[event.key];
  const current = event.target.closest?.(".rack .rasp");
  if (!direction || !current || event.altKey || event.ctrlKey || event.metaKey) return;
  const nearest = nearestInDirection(current, direction);
  if (!nearest) return;
  event.preventDefault();
  nearest.focus();
}

function nearestInDirection(current, [dx, dy]) {
  const start = center(current);
  let nearest = null;
  let minDistance = Infinity;
  for (const rasp of document.querySelectorAll(".rack a.rasp")) {
    const end = center(rasp);
    const forward = (end.x - start.x) * dx + (end.y - start.y) * dy;
    const sideways = Math.abs((end.x - start.x) * dy) + Math.abs((end.y - start.y) * dx);
    const distance = forward + SIDEWAYS_PENALTY * sideways;
    if (forward > 1 && distance < minDistance) [nearest, minDistance] = [rasp, distance];
  }
  return nearest;
}

function center(element) {
  const box = element.getBoundingClientRect();
  return { x: box.x + box.width / 2, y: box.y + box.height / 2 };
}

document.addEventListener("keydown", moveFocus);
