// Search while typing: the fields of the form become the query of the address, and the page is updated.
import { refresh } from "./auto_refresh.js";

const DELAY_MS = 120;
const form = document.querySelector("form[role=search]");
let timer;

function search() {
  const url = new URL(location.href);
  url.search = new URLSearchParams([...new FormData(form)].filter(([, value]) => value));
  history.replaceState(null, "", url);
  refresh().catch((error) => console.warn("Search failed:", error));
}

form.addEventListener("input", () => {
  clearTimeout(timer);
  timer = setTimeout(search, DELAY_MS);
});
form.addEventListener("submit", (event) => {
  event.preventDefault();
  search();
});
