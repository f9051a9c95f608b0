// Arrow keys walk from rasp to rasp, as the rack stands in the room.
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
