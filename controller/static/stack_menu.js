// Menus of the stacks: move the focus with the arrow keys, select rasps without loading the page,
// and close a menu that the focus leaves. The browser opens and closes menus without this script.
const rack = document.querySelector(".rack");

rack.addEventListener("keydown", (event) => {
  const links = [...(event.target.closest(".menu")?.querySelectorAll("a") ?? [])];
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (!links.length || !step) return;
  event.preventDefault();
  links.at((links.indexOf(event.target) + step) % links.length).focus();
});

rack.addEventListener("focusout", ({ target, relatedTarget }) => {
  const menu = target.closest(".menu:popover-open");
  // The button of the menu closes it, and nothing has the focus if the window lost it.
  if (relatedTarget && !menu?.parentElement.contains(relatedTarget)) menu?.hidePopover();
});

rack.addEventListener("click", (event) => {
  const link = event.target.closest("a[data-select]");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  const box = document.getElementById(`select-stack-${link.dataset.select}`);
  if (!box.checked) box.click();
  link.closest(".menu").hidePopover();
});
