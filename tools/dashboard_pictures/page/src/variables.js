// Variables in titles, options and links: those of the dashboard, and those of a value.

import {
  formattedValueToString,
  getFieldDisplayName,
  getFieldDisplayValuesProxy,
} from "@grafana/data";
import { get } from "lodash";

const VARIABLE = /\$\{([^}:]+)(?::(\w+))?\}|\$(\w+)/g;

function valueVariable(path, { field, rowIndex, calculatedValue }) {
  const display =
    calculatedValue ?? (rowIndex === undefined ? undefined : field.display(field.values[rowIndex]));
  if (display === undefined) {
    return undefined;
  }
  if (path === "raw") {
    return rowIndex === undefined ? display.numeric : field.values[rowIndex];
  }
  return path === "numeric"
    ? display.numeric
    : path === "text"
      ? display.text
      : formattedValueToString(display);
}

function lookUp(name, variables, data) {
  if (name in variables) {
    return variables[name];
  }
  const [, root, path] = /^(__\w+)(?:\.(.+))?$/.exec(name) ?? [];
  if (!root || !data) {
    return undefined;
  }
  if (root === "__value") {
    return valueVariable(path, data);
  }
  if (root === "__field" || root === "__series") {
    const displayName = getFieldDisplayName(data.field, data.frame, data.data);
    return path.startsWith("labels.")
      ? data.field.labels?.[path.slice("labels.".length)]
      : displayName;
  }
  if (root === "__data") {
    const fields = getFieldDisplayValuesProxy({ frame: data.frame, rowIndex: data.rowIndex });
    return get({ fields, name: data.frame.name, refId: data.frame.refId }, path);
  }
  return undefined;
}

/** Return Grafana's function `replaceVariables`. It keeps what it does not know. */
export function makeReplaceVariables(variables) {
  return (text, scopedVars, format) =>
    text.replace(VARIABLE, (match, braced, ownFormat, plain) => {
      const value = lookUp(braced ?? plain, variables, scopedVars?.__dataContext?.value);
      if (value === undefined) {
        return match;
      }
      return format === "uriencode" && !ownFormat ? encodeURI(String(value)) : String(value);
    });
}
