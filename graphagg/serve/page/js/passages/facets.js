/** Facets: values of metadata with their counts; one that is pressed narrows the passages. */

import { h, put, show } from "../dom.js";
import { count, spaced } from "../words.js";

const HIDDEN = new Set(["path", "size", "modified", "heading", "page", "anchor"]);
const MOST = 14;

/**
 * @param {HTMLElement} panel
 * @param {Object<string, Object>} keys as the service counts them.
 * @param {Object[]} filters rows of conditions.
 * @param {(filters: Object[]) => void} narrow takes the changed rows.
 */
export function showFacets(panel, keys, filters, narrow) {
  const groups = Object.entries(keys).filter(
    ([key, { values, type }]) => values && !HIDDEN.has(key) && type !== "date" && (values.length > 1 || pressed(filters, key, values[0]?.value)),
  );
  show(panel, groups.length > 0);
  put(panel.querySelector("#facet-groups"), groups.map(([key, { values }]) => group(key, values, filters, narrow)));
}

function pressed(filters, key, value) {
  return filters.some((row) => row.key === key && row.operator === "eq" && row.value === String(value));
}

function group(key, values, filters, narrow) {
  const heading = `facet-${key}`;
  return h(
    "section",
    { "aria-labelledby": heading },
    h("h3", { id: heading }, spaced(key)),
    h("ul", {}, values.slice(0, MOST).map(({ value, passages }) => h("li", {}, choice(key, value, passages, filters, narrow)))),
  );
}

function choice(key, value, passages, filters, narrow) {
  const on = pressed(filters, key, value);
  const toggle = () =>
    narrow(
      on
        ? filters.filter((row) => !(row.key === key && row.operator === "eq" && row.value === String(value)))
        : [...filters, { key, operator: "eq", value: String(value) }],
    );
  return h("button", { type: "button", class: "facet", "aria-pressed": String(on), onclick: toggle }, String(value), h("span", {}, count(passages)));
}
