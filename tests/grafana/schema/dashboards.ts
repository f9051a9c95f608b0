// The dashboards' JSON as Grafana's own types have it. Grafana is free to leave out what has a default,
// so options and the fields' own options may be given in part; but none may be given that is not there.
import type * as grafana from '@grafana/schema';
import type * as bars from '@grafana/schema/dist/esm/raw/composable/bargauge/panelcfg/x/BarGaugePanelCfg_types.gen';
import type * as canvas from '@grafana/schema/dist/esm/raw/composable/canvas/panelcfg/x/CanvasPanelCfg_types.gen';
import type * as stat from '@grafana/schema/dist/esm/raw/composable/stat/panelcfg/x/StatPanelCfg_types.gen';
import type * as table from '@grafana/schema/dist/esm/raw/composable/table/panelcfg/x/TablePanelCfg_types.gen';
import type * as timeline from '@grafana/schema/dist/esm/raw/composable/statetimeline/panelcfg/x/StateTimelinePanelCfg_types.gen';
import type * as course from '@grafana/schema/dist/esm/raw/composable/timeseries/panelcfg/x/TimeSeriesPanelCfg_types.gen';

// JSON has the values of an enumeration, where TypeScript wants its names.
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

type Part<T> = Partial<Json<T>>;

// Links of fields and of a canvas's elements are unknown to the schema; this is what Grafana's editor saves.
interface DataLink {
  title: string;
  url: string;
  targetBlank: boolean;
  oneClick?: boolean;
}

// What a Prometheus data source is asked: the schema leaves that to the data source.
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

type Fields<Custom> = {
  defaults: Omit<Json<grafana.FieldConfig>, 'custom' | 'links'> & { custom?: Part<Custom>; links?: DataLink[] };
  overrides: Array<{
    matcher: { id: 'byName' | 'byFrameRefID' | 'byRegexp'; options: string };
    properties: Array<{ id: string; value: unknown }>;
  }>;
};

type PanelOf<Kind extends string, Options, Custom = {}> = Omit<
  Json<grafana.Panel>,
  'type' | 'options' | 'fieldConfig' | 'targets' | 'links'
> & {
  id: number;
  type: Kind;
  title: string;
  description: string;
  options: Options;
  fieldConfig: Fields<Custom>;
  targets: Query[];
  links?: DataLink[];
};

// The schema leaves an element's configuration open, and knows no links of it.
type Element = Omit<Json<canvas.CanvasElementOptions>, 'config'> & {
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
type Frame = Omit<Json<canvas.CanvasElementOptions>, 'type' | 'config'> & { type: 'frame'; elements: Element[] };

export type CanvasPanel = PanelOf<'canvas', Omit<Part<canvas.Options>, 'root'> & { root: Frame }>;
export type StatPanel = PanelOf<'stat', Part<stat.Options>>;
export type CoursePanel = PanelOf<'timeseries', Part<course.Options>, course.FieldConfig>;
export type TimelinePanel = PanelOf<'state-timeline', Part<timeline.Options>, timeline.FieldConfig>;
export type BarsPanel = PanelOf<'bargauge', Part<bars.Options>>;
export type TablePanel = PanelOf<'table', Part<table.Options>, table.FieldConfig>;

type Annotation = Omit<Json<grafana.AnnotationQuery>, 'target'> & {
  target: Pick<Query, 'refId' | 'expr' | 'instant' | 'range'>;
  // These are the data source's.
  expr: string;
  titleFormat: string;
};

export type Envelope = Omit<Json<grafana.Dashboard>, 'panels' | 'annotations'> & {
  annotations: { list: Annotation[] };
};
