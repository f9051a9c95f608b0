// Panels, drawn by Grafana's components as its panel plugins do.

import { getDisplayValueAlignmentFactors, getFieldDisplayValues } from "@grafana/data";
import { BarGauge, BigValue, TimeSeries, VizRepeater } from "@grafana/ui";
import { TableNG } from "@grafana/ui/unstable";

import { Canvas } from "./canvas.jsx";
import { StateTimeline } from "./state_timeline.jsx";

const STAT_GAP_PIXELS = 3;
const BAR_GAP_PIXELS = 10;
const BAR_MIN_PIXELS = 16;
const BAR_MAX_PIXELS = 300;

function Repeated({ panel, series, sparkline, replaceVariables, theme, ...layout }) {
  return (
    <VizRepeater
      source={series}
      renderCounter={0}
      orientation={panel.options.orientation}
      getAlignmentFactors={getDisplayValueAlignmentFactors}
      getValues={() =>
        getFieldDisplayValues({
          fieldConfig: panel.fieldConfig,
          reduceOptions: panel.options.reduceOptions,
          data: series,
          sparkline,
          replaceVariables,
          theme,
          timeZone: "utc",
        })
      }
      {...layout}
    />
  );
}

function Stat(props) {
  const { options } = props.panel;
  return (
    <Repeated
      {...props}
      autoGrid
      itemSpacing={STAT_GAP_PIXELS}
      sparkline={options.graphMode !== "none"}
      renderValue={({ value, alignmentFactors, width, height, count }) => (
        <BigValue
          value={value.display}
          sparkline={value.sparkline}
          colorMode={options.colorMode}
          graphMode={options.graphMode}
          justifyMode={options.justifyMode}
          textMode={options.textMode}
          text={options.text}
          disableWideLayout={!options.wideLayout}
          theme={props.theme}
          {...{ alignmentFactors, width, height, count }}
        />
      )}
    />
  );
}

function Bars(props) {
  const { options } = props.panel;
  return (
    <Repeated
      {...props}
      itemSpacing={BAR_GAP_PIXELS}
      minVizHeight={options.minVizHeight ?? BAR_MIN_PIXELS}
      maxVizHeight={options.maxVizHeight ?? BAR_MAX_PIXELS}
      renderValue={({ value, alignmentFactors, width, height, orientation }) => (
        <BarGauge
          value={value.display}
          field={value.field}
          display={value.view?.getFieldDisplayProcessor(value.colIndex)}
          displayMode={options.displayMode}
          valueDisplayMode={options.valueMode}
          namePlacement={options.namePlacement}
          showUnfilled={options.showUnfilled}
          itemSpacing={BAR_GAP_PIXELS}
          text={options.text}
          theme={props.theme}
          {...{ alignmentFactors, width, height, orientation }}
        />
      )}
    />
  );
}

function Table({ panel, series, width, height }) {
  return (
    <TableNG
      data={series[0]}
      noHeader={!panel.options.showHeader}
      sortBy={panel.options.sortBy}
      cellHeight={panel.options.cellHeight}
      frozenColumns={panel.options.frozenColumns?.left}
      noValue={panel.fieldConfig.defaults.noValue}
      fieldConfig={panel.fieldConfig}
      structureRev={1}
      {...{ width, height }}
    />
  );
}

/** Draw a dashed line at the start of each annotation. */
function drawAnnotations(plot, annotations) {
  const { ctx, bbox } = plot;
  ctx.save();
  ctx.setLineDash([5, 5]);
  for (const { time, color } of annotations) {
    const x = Math.round(plot.valToPos(time, "x", true));
    if (x >= bbox.left && x <= bbox.left + bbox.width) {
      ctx.strokeStyle = color;
      ctx.beginPath();
      ctx.moveTo(x, bbox.top);
      ctx.lineTo(x, bbox.top + bbox.height);
      ctx.stroke();
    }
  }
  ctx.restore();
}

function Graph({ panel, series, width, height, timeRange, annotations }) {
  return (
    <TimeSeries
      frames={series}
      legend={panel.options.legend}
      timeZone="utc"
      structureRev={1}
      {...{ width, height, timeRange }}
    >
      {(builder) => {
        builder.addHook("draw", (plot) => drawAnnotations(plot, annotations));
        return null;
      }}
    </TimeSeries>
  );
}

function Empty({ panel, width, height, theme }) {
  const style = {
    display: "flex",
    alignItems: "center",
    justifyContent: "center",
    textAlign: "center",
  };
  return (
    <div style={{ ...style, width, height, color: theme.colors.text.secondary }}>
      {panel.fieldConfig.defaults.noValue ?? "No data"}
    </div>
  );
}

const COMPONENTS = {
  bargauge: Bars,
  canvas: ({ panel, ...props }) => <Canvas options={panel.options} {...props} />,
  stat: Stat,
  "state-timeline": ({ panel, timeRange, ...props }) => (
    <StateTimeline
      options={panel.options}
      range={{ from: timeRange.from.valueOf(), to: timeRange.to.valueOf() }}
      {...props}
    />
  ),
  table: Table,
  timeseries: Graph,
};
// These types draw something without a series, too.
const WITHOUT_SERIES = ["bargauge", "canvas", "stat"];

/** The content of a panel. `series` are the results after transformations and overrides. */
export function PanelContent(props) {
  const { panel, series } = props;
  const Component = COMPONENTS[panel.type];
  if (!Component) {
    throw new Error(`cannot draw a panel of the type ${panel.type}`);
  }
  const isEmpty = !series.some((frame) => frame.length) && !WITHOUT_SERIES.includes(panel.type);
  return isEmpty ? <Empty {...props} /> : <Component {...props} />;
}
