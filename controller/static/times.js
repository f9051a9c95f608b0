// Show times in the time zone of the reader. The server writes them in that of the master.

const pad = (number) => String(number).padStart(2, "0");
const date = (time) => `${time.getFullYear()}-${pad(time.getMonth() + 1)}-${pad(time.getDate())}`;
const minutes = (time) => `${pad(time.getHours())}:${pad(time.getMinutes())}`;
const seconds = (time) => `${minutes(time)}:${pad(time.getSeconds())}`;
const english = (time, options) => time.toLocaleDateString("en-GB", options);
const isToday = (time) => date(time) === date(new Date());

// The styles of `ClockStyle` in controller/pages/times.py.
const CLOCKS = {
  seconds: (time) => (isToday(time) ? seconds(time) : `${date(time)} ${minutes(time)}`),
  short: (time) => (isToday(time) ? minutes(time) : english(time, { day: "2-digit", month: "short" })),
  minutes,
  weekday: (time) => `${english(time, { weekday: "short" })} ${minutes(time)}`,
  day: (time) => `${english(time, { day: "2-digit", month: "short" })} ${minutes(time)}`,
};

const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;

export function formatClock(style, time) {
  return CLOCKS[style](time);
}

export function rewriteTimes() {
  for (const element of document.querySelectorAll("time[title]")) {
    const time = new Date(element.dateTime);
    element.title = `${date(time)} ${seconds(time)} ${zone}`;
    const { clock } = element.dataset;
    if (clock) element.textContent = formatClock(clock, time);
  }
}

document.addEventListener("refreshed", rewriteTimes);
document.getElementById("time-zone").textContent = `Times in ${zone}`;
rewriteTimes();
