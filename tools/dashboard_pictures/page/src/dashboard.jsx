// A dashboard without Grafana's menu and controls.

import { createTheme, dateTime } from "@grafana/data";
import { Menu, PanelChrome } from "@grafana/ui";
import { Component } from "react";

import { expandRows, positions } from "./layout.js";
import { PanelContent } from "./panels.jsx";
import { panelLinks, panelSeries } from "./panel_data.js";
import { makeReplaceVariables } from "./variables.js";

const PADDING_PIXELS = 16;

/** Show the message of an error in place of a panel, and leave it in the console. */
class Shielded extends Component {
  state = {};

  static getDerivedStateFromError(error) {
    return { error };
  }

  render() {
    return this.state.error ? <pre>{String(this.state.error)}</pre> : this.props.children;
  }
}

/** Return the panels of a dashboard with what they display, and the URLs of their links. */
export async function prepare({ dashboard, recording, mode }) {
  const theme = createTheme({ colors: { mode } });
  const replaceVariables = makeReplaceVariables(recording.variables);
  const range = { from: dateTime(recording.from * 1000), to: dateTime(recording.to * 1000) };
  const timeRange = { ...range, raw: range };
  const shared = { stepMs: recording.step * 1000, replaceVariables, theme };
  const annotations = dashboard.annotations.list.flatMap(({ name, iconColor }) =>
    recording.annotations[name].map((time) => ({ time: time * 1000, color: iconColor })),
  );
  const panels = [];
  const links = dashboard.links.filter(({ url }) => url).map(({ url }) => replaceVariables(url));
  for (const panel of expandRows(dashboard.panels)) {
    const series =
      panel.type === "row" ? [] : await panelSeries(panel, recording.results[panel.id], shared);
    links.push(...panelLinks(panel, series, replaceVariables));
    panels.push({ ...panel, title: replaceVariables(panel.title ?? ""), series });
  }
  return { panels, links, theme, context: { replaceVariables, theme, timeRange, annotations } };
}

function Panel({ panel, width, height, context }) {
  return (
    <PanelChrome
      title={panel.title}
      description={panel.description}
      menu={<Menu />}
      padding={panel.type === "canvas" ? "none" : "md"}
      displayMode={panel.transparent ? "transparent" : "default"}
      {...{ width, height }}
    >
      {(innerWidth, innerHeight) => (
        <Shielded>
          <PanelContent
            panel={panel}
            series={panel.series}
            width={innerWidth}
            height={innerHeight}
            {...context}
          />
        </Shielded>
      )}
    </PanelChrome>
  );
}

export function Dashboard({ prepared: { panels, theme, context }, width }) {
  const placed = positions(panels, width - 2 * PADDING_PIXELS);
  const height = Math.max(...placed.map((each) => each.top + each.height));
  return (
    <div style={{ padding: PADDING_PIXELS, width, background: theme.colors.background.canvas }}>
      <div style={{ position: "relative", height }}>
        {placed.map(({ panel, left, top, ...size }) => (
          <div
            key={panel.id}
            data-panel={panel.title}
            style={{ position: "absolute", left, top, ...size }}
          >
            {panel.type === "row" ? (
              <h3>{panel.title}</h3>
            ) : (
              <Panel {...{ panel, context }} {...size} />
            )}
          </div>
        ))}
      </div>
    </div>
  );
}
