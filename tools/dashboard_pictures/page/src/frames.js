// Data frames of query results, as Grafana's Prometheus data source makes them.

import { FieldType } from "@grafana/data";

/** Return the name of a series, which the legend of its query determines. */
function seriesName(legend, labels) {
  if (legend && legend !== "__auto") {
    return legend.replace(/\{\{\s*(\w+)\s*\}\}/g, (_, label) => labels[label] ?? "");
  }
  const { __name__: metric = "", ...others } = labels;
  const pairs = Object.entries(others).map(([label, value]) => `${label}="${value}"`);
  return pairs.length ? `${metric}{${pairs.join(", ")}}` : metric;
}

/** Return the samples of a series as times in milliseconds and values. */
function samples(series) {
  const pairs = series.values ?? [series.value];
  return {
    times: pairs.map(([time]) => time * 1000),
    values: pairs.map(([, text]) => Number(text.replace("Inf", "Infinity"))),
  };
}

/** Insert a gap where samples are missing, as the data source does. */
function withGaps({ times, values }, stepMs) {
  const filled = { times: [], values: [] };
  times.forEach((time, index) => {
    if (index && time - times[index - 1] > 1.5 * stepMs) {
      filled.times.push(times[index - 1] + stepMs);
      filled.values.push(null);
    }
    filled.times.push(time);
    filled.values.push(values[index]);
  });
  return filled;
}

function timeSeriesFrame(target, series, stepMs) {
  const { times, values } = withGaps(samples(series), stepMs);
  const name = seriesName(target.legendFormat, series.metric);
  return {
    name,
    refId: target.refId,
    length: times.length,
    fields: [
      { name: "Time", type: FieldType.time, config: { interval: stepMs }, values: times },
      {
        name: "Value",
        type: FieldType.number,
        labels: series.metric,
        config: { displayNameFromDS: name },
        values,
      },
    ],
  };
}

function tableFrame(target, result, valueName) {
  const labels = [];
  for (const series of result) {
    for (const label of Object.keys(series.metric).sort()) {
      if (!labels.includes(label)) {
        labels.push(label);
      }
    }
  }
  const column = (name, type, values) => ({ name, type, config: {}, values });
  return {
    refId: target.refId,
    length: result.length,
    fields: [
      column(
        "Time",
        FieldType.time,
        result.map((series) => series.value[0] * 1000),
      ),
      ...labels.map((label) =>
        column(
          label,
          FieldType.string,
          result.map((series) => series.metric[label] ?? ""),
        ),
      ),
      column(
        valueName,
        FieldType.number,
        result.map((series) => samples(series).values[0]),
      ),
    ],
  };
}

/** Return the frames of a panel. `results` has the result of each query, keyed by refId. */
export function framesOf(targets, results, stepMs) {
  const isTable = (target) => target.format === "table";
  const tables = targets.filter((target) => isTable(target) && results[target.refId].length);
  return [
    ...targets
      .filter((target) => !isTable(target))
      .flatMap((target) =>
        results[target.refId].map((series) => timeSeriesFrame(target, series, stepMs)),
      ),
    ...tables.map((target) =>
      tableFrame(
        target,
        results[target.refId],
        tables.length > 1 ? `Value #${target.refId}` : "Value",
      ),
    ),
  ];
}
