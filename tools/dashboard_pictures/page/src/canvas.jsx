// A small renderer of the canvas panel, after the documented model of Grafana's canvas, which is
// not in the npm packages. It draws rectangles with the constraint `scale`.

import { formattedValueToString, getFieldDisplayName, reduceField } from "@grafana/data";

function displayValues(series) {
  const values = new Map();
  for (const frame of series) {
    for (const field of frame.fields) {
      const { lastNotNull } = reduceField({ field, reducers: ["lastNotNull"] });
      values.set(getFieldDisplayName(field, frame, series), field.display(lastNotNull));
    }
  }
  return values;
}

function Rectangle({ element, values, theme }) {
  const color = ({ field, fixed }) =>
    theme.visualization.getColorByName((field && values.get(field)?.color) ?? fixed);
  const { placement, background, border, config, links = [] } = element;
  const value = config.text.mode === "field" ? values.get(config.text.field) : undefined;
  const style = {
    position: "absolute",
    boxSizing: "border-box",
    left: `${placement.left}%`,
    right: `${placement.right}%`,
    top: `${placement.top}%`,
    bottom: `${placement.bottom}%`,
    background: color(background.color),
    border: `${border?.width ?? 0}px solid ${color(border?.color ?? { fixed: "transparent" })}`,
    borderRadius: border?.radius ?? 0,
    cursor: links.length ? "pointer" : "default",
  };
  const text = {
    display: "table-cell",
    textAlign: config.align,
    verticalAlign: config.valign,
    fontSize: config.size,
    color: color(config.color),
  };
  return (
    <div style={style}>
      <div style={{ display: "table", width: "100%", height: "100%" }}>
        <span style={text}>{value ? formattedValueToString(value) : config.text.fixed}</span>
      </div>
    </div>
  );
}

export function Canvas({ options, series, width, height, theme }) {
  const values = displayValues(series);
  return (
    <div style={{ position: "relative", width, height, overflow: "hidden" }}>
      {options.root.elements.map((element) => {
        const { horizontal, vertical } = element.constraint;
        if (element.type !== "rectangle" || horizontal !== "scale" || vertical !== "scale") {
          throw new Error(`the canvas cannot draw ${element.name}`);
        }
        return <Rectangle key={element.name} {...{ element, values, theme }} />;
      })}
    </div>
  );
}
