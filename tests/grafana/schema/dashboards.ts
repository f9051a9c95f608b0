// Types of the dashboards' JSON, based on Grafana's own types. Options with defaults may be omitted, but unknown
// options are errors.
import type * as grafana from '@grafana/schema';
import type * as barGauge from '@grafana/schema/dist/esm/raw/composable/bargauge/panelcfg/x/BarGaugePanelCfg_types.gen';
import type * as canvas from '@grafana/schema/dist/esm/raw/composable/canvas/panelcfg/x/CanvasPanelCfg_types.gen';
import type * as stat from '@grafana/schema/dist/esm/raw/composable/stat/panelcfg/x/StatPanelCfg_types.gen';
import type * as table from '@grafana/schema/dist/esm/raw/composable/table/panelcfg/x/TablePanelCfg_types.gen';
import type * as stateTimeline from '@grafana/schema/dist/esm/raw/composable/statetimeline/panelcfg/x/StateTimelinePanelCfg_types.gen';
import type * as timeSeries from '@grafana/schema/dist/esm/raw/composable/timeseries/panelcfg/x/TimeSeriesPanelCfg_types.gen';

// In JSON, enumerations are values. TypeScript expects their names.
type Json<T> = unknown extends T
  ? T
  : T extends string
    ? `${T}`
    : T extends number
      ? number extends T
        ? number
        : `${T}` extends `${infer N extends number}`
          ? N
          : never
      : T extends Array<infer U>
        ? Array<Json<U>>
        : T extends object
          ? { [K in keyof T]: Json<T[K]> }
          : T;

type PartialJson<T> = Partial<Json<T>>;

// The schema has no links of fields and canvas elements. Grafana's editor saves them in this form.
interface DataLink {
  title: string;
  url: string;
  targetBlank: boolean;
  oneClick?: boolean;
}

// Queries to a Prometheus data source. The schema does not define them.
interface Query {
  refId: string;
  datasource: { type: 'prometheus'; uid: string };
  editorMode: 'code' | 'builder';
  expr: string;
  legendFormat: string;
  format: 'time_series' | 'table' | 'heatmap';
  instant: boolean;
  range: boolean;
}

type FieldConfigOf<Custom> = {
  defaults: Omit<Json<grafana.FieldConfig>, 'custom' | 'links'> & { custom?: PartialJson<Custom>; links?: DataLink[] };
  overrides: Array<{
    matcher: { id: 'byName' | 'byFrameRefID' | 'byRegexp'; options: string };
    properties: Array<{ id: string; value: unknown }>;
  }>;
};

type PanelOf<Type extends string, Options, Custom = {}> = Omit<
  Json<grafana.Panel>,
  'type' | 'options' | 'fieldConfig' | 'targets' | 'links'
> & {
  id: number;
  type: Type;
  title: string;
  description: string;
  options: Options;
  fieldConfig: FieldConfigOf<Custom>;
  targets: Query[];
  links?: DataLink[];
};

// The schema does not define the configuration and the links of an element.
type CanvasElement = Omit<Json<canvas.CanvasElementOptions>, 'config'> & {
  config: {
    align: 'left' | 'center' | 'right';
    valign: 'top' | 'middle' | 'bottom';
    size: number;
    color: Json<grafana.ColorDimensionConfig>;
    text: Json<grafana.TextDimensionConfig>;
  };
  links?: DataLink[];
  oneClickMode?: 'off' | 'link' | 'action';
};
type Frame = Omit<Json<canvas.CanvasElementOptions>, 'type' | 'config'> & { type: 'frame'; elements: CanvasElement[] };

// The panels of a collapsed row are checked on their own.
export type RowPanel = Omit<Json<grafana.RowPanel>, 'panels'>;

// Grafana 11 has no options of the tooltip and ignores them.
type CanvasTooltip = { mode: 'single' | 'none'; disableForOneClick: boolean };

export type CanvasPanel = PanelOf<
  'canvas',
  Omit<PartialJson<canvas.Options>, 'root'> & { root: Frame; tooltip: CanvasTooltip }
>;
export type StatPanel = PanelOf<'stat', PartialJson<stat.Options>>;
export type TimeSeriesPanel = PanelOf<'timeseries', PartialJson<timeSeries.Options>, timeSeries.FieldConfig>;
export type StateTimelinePanel = PanelOf<
  'state-timeline',
  PartialJson<stateTimeline.Options>,
  stateTimeline.FieldConfig
>;
export type BarGaugePanel = PanelOf<'bargauge', PartialJson<barGauge.Options>>;
export type TablePanel = PanelOf<'table', PartialJson<table.Options>, table.FieldConfig>;

type Annotation = Omit<Json<grafana.AnnotationQuery>, 'target'> & {
  target: Pick<Query, 'refId' | 'expr' | 'instant' | 'range'>;
  // Options of the data source.
  expr: string;
  titleFormat: string;
  tagKeys: string;
};

export type DashboardWithoutPanels = Omit<Json<grafana.Dashboard>, 'panels' | 'annotations'> & {
  annotations: { list: Annotation[] };
};
