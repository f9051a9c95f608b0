// Show the time and when the data arrived, and load the page again after an upgrade of PiRack.
import { formatClock } from "./times.js";

const readVersion = () => document.getElementById("kiosk").dataset.version;
const version = readVersion();

function showTime(id) {
  const element = document.getElementById(id);
  element.textContent = formatClock("seconds", new Date());
}

setInterval(showTime, 1000, "clock");
document.addEventListener("connected", () => showTime("data-time"));
document.addEventListener("refreshed", () => {
  if (readVersion() !== version) location.reload();
});
showTime("clock");
showTime("data-time");
