// The pure part of a panel: from its JSON and the results of its queries to displayed series.

import {
  FieldConfigOptionsRegistry,
  FieldType,
  applyFieldOverrides,
  cacheFieldDisplayNames,
  displayNameOverrideProcessor,
  identityOverrideProcessor,
  standardTransformers,
  standardTransformersRegistry,
  transformDataFrame,
} from "@grafana/data";
import { firstValueFrom } from "rxjs";

import { framesOf } from "./frames.js";

// One of the transformers has two names.
const transformers = new Set(Object.values(standardTransformers));
standardTransformersRegistry.setInit(() =>
  [...transformers].map((transformer) => ({
    ...transformer,
    transformation: () => transformer,
    tags: new Set(),
  })),
);

const FOR_ALL_TYPES = ["unit", "color", "noValue", "links", "mappings", "thresholds", "filterable"];
const FOR_NUMBERS = ["min", "max", "decimals", "fieldMinMax"];

// Grafana's defaults of options that the dashboards do not set.
const CUSTOM_DEFAULTS = {
  timeseries: {
    axisGridShow: true,
    axisPlacement: "auto",
    gradientMode: "none",
    pointSize: 5,
    barAlignment: 0,
  },
  table: { cellOptions: { type: "auto" }, inspect: false },
};

function option(path, shouldApply, others = {}) {
  return { id: path, path, name: path, process: identityOverrideProcessor, shouldApply, ...others };
}

function optionsRegistry({ defaults, overrides }) {
  const customs = new Set([
    ...Object.keys(defaults.custom ?? {}),
    ...overrides
      .flatMap((override) => override.properties)
      .filter(({ id }) => id.startsWith("custom."))
      .map(({ id }) => id.slice("custom.".length)),
  ]);
  const always = () => true;
  return new FieldConfigOptionsRegistry(() => [
    ...FOR_ALL_TYPES.map((name) => option(name, always)),
    ...FOR_NUMBERS.map((name) => option(name, (field) => field.type === FieldType.number)),
    option("displayName", always, {
      process: displayNameOverrideProcessor,
      settings: { expandTemplateVars: true },
    }),
    ...[...customs].map((name) => option(name, always, { id: `custom.${name}`, isCustom: true })),
  ]);
}

/** Return the series of a panel after transformations and overrides. */
export async function panelSeries(panel, results, { stepMs, replaceVariables, theme }) {
  const frames = framesOf(panel.targets ?? [], results, stepMs);
  const transformed = await firstValueFrom(
    transformDataFrame(panel.transformations ?? [], frames, { interpolate: replaceVariables }),
  );
  const defaults = {
    ...panel.fieldConfig.defaults,
    custom: { ...CUSTOM_DEFAULTS[panel.type], ...panel.fieldConfig.defaults.custom },
  };
  const fieldConfig = { defaults, overrides: panel.fieldConfig.overrides };
  const series = applyFieldOverrides({
    data: transformed,
    fieldConfig,
    fieldConfigRegistry: optionsRegistry(fieldConfig),
    replaceVariables,
    theme,
    timeZone: "utc",
  });
  cacheFieldDisplayNames(series);
  return series;
}

function canvasLinks(elements, replaceVariables) {
  return elements.flatMap((element) =>
    element.elements
      ? canvasLinks(element.elements, replaceVariables)
      : (element.links ?? []).map((link) => replaceVariables(link.url)),
  );
}

/** Return the URL of each link of a panel, for each value that has the link. */
export function panelLinks(panel, series, replaceVariables) {
  const urls = (panel.links ?? []).map((link) => replaceVariables(link.url));
  for (const frame of series) {
    for (const field of frame.fields.filter(({ type }) => type !== FieldType.time)) {
      for (let row = 0; row < frame.length; row += 1) {
        urls.push(...field.getLinks({ valueRowIndex: row }).map(({ href }) => href));
      }
    }
  }
  const elements = panel.options?.root?.elements ?? [];
  return [...new Set([...urls, ...canvasLinks(elements, replaceVariables)])];
}
