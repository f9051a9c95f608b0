// A small renderer of the state timeline, which is not in the npm packages of Grafana.

import { formattedValueToString, getFieldDisplayName } from "@grafana/data";
import { measureText } from "@grafana/ui";

const AXIS_PIXELS = 24;
const FONT_PIXELS = 12;
const LABEL_GAP_PIXELS = 16;
const MINUTE_MS = 60_000;
const TICK_PIXELS = 60;
const CHARACTER_PIXELS = 9.5;

/** Return the spans of a series with the same displayed value. */
export function spans(frame, to) {
  const [time, field] = frame.fields;
  const found = [];
  time.values.forEach((start, index) => {
    const value = field.values[index];
    const last = found.at(-1);
    if (last && last.value === value) {
      return;
    }
    if (last) {
      last.end = start;
    }
    found.push({ start, end: to, value });
  });
  return found
    .filter(({ value }) => value !== null)
    .map((span) => ({ ...span, display: field.display(span.value) }));
}

/** Return times whose labels fit below a plot of this width. */
function ticks({ from, to }, width) {
  const pixelsPerMs = width / (to - from);
  const step =
    MINUTE_MS * [1, 2, 5, 10, 15, 30].find((each) => each * MINUTE_MS * pixelsPerMs > TICK_PIXELS);
  const last = to - TICK_PIXELS / 2 / pixelsPerMs;
  const times = [];
  for (let time = Math.ceil(from / step) * step; time < last; time += step) {
    times.push(time);
  }
  return times;
}

export function StateTimeline({ options, series, width, height, range, theme }) {
  const names = series.map((frame) => getFieldDisplayName(frame.fields[1], frame, series));
  const labelWidth =
    Math.max(...names.map((name) => measureText(name, FONT_PIXELS).width)) + LABEL_GAP_PIXELS;
  const plotWidth = width - labelWidth;
  const rowHeight = (height - AXIS_PIXELS) / series.length;
  const x = (time) =>
    labelWidth + (Math.max(0, time - range.from) / (range.to - range.from)) * plotWidth;
  const text = {
    position: "absolute",
    fontSize: FONT_PIXELS,
    lineHeight: "16px",
    whiteSpace: "nowrap",
  };
  return (
    <div style={{ position: "relative", width, height }}>
      {series.map((frame, row) => {
        const barHeight = rowHeight * options.rowHeight;
        const top = row * rowHeight + (rowHeight - barHeight) / 2;
        return (
          <div key={names[row]}>
            <span
              style={{
                ...text,
                right: width - labelWidth + LABEL_GAP_PIXELS,
                top: top + barHeight / 2 - 8,
              }}
            >
              {names[row]}
            </span>
            {spans(frame, range.to).map(({ start, end, display }) => {
              const spanWidth = x(end) - x(start);
              // Grafana shortens a text that does not fit.
              const characters = Math.floor(spanWidth / CHARACTER_PIXELS);
              const isShown = options.showValue !== "never" && characters >= 2;
              const label = formattedValueToString(display).slice(0, characters);
              const style = {
                position: "absolute",
                top,
                left: x(start),
                height: barHeight,
                width: spanWidth,
              };
              return (
                <div key={start} style={{ ...style, background: display.color }}>
                  {isShown && (
                    <span
                      style={{
                        ...text,
                        left: 2,
                        top: barHeight / 2 - 8,
                        color: theme.colors.getContrastText(display.color, 3),
                      }}
                    >
                      {label}
                    </span>
                  )}
                </div>
              );
            })}
          </div>
        );
      })}
      {ticks(range, plotWidth).map((time) => (
        <span
          key={time}
          style={{ ...text, left: x(time), top: height - 18, transform: "translateX(-50%)" }}
        >
          {new Date(time).toISOString().slice(11, 16)}
        </span>
      ))}
    </div>
  );
}
