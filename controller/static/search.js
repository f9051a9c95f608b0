// Searches as one types: the form's fields become the page's address, and the page is shown anew.
import { refresh } from "./live.js";

const PAUSE_MS = 120;
const form = document.querySelector("form[role=search]");
let timer;

function search() {
  const wanted = new URL(location.href);
  wanted.search = new URLSearchParams([...new FormData(form)].filter(([, value]) => value));
  history.replaceState(null, "", wanted);
  refresh().catch((error) => console.warn("The search has no answer yet:", error));
}

form.addEventListener("input", () => {
  clearTimeout(timer);
  timer = setTimeout(search, PAUSE_MS);
});
form.addEventListener("submit", (event) => {
  event.preventDefault();
  search();
});
