/** Facets of the answer: the keys that split its passages best; a value that is pressed narrows them. */

import { byId, h, put, show } from "../dom.js";
import { count, spaced } from "../words.js";

/** Keys that say where a passage lies; a file is found by its name. */
const HIDDEN = new Set(["path", "size", "heading", "page", "anchor", "anchors", "marks", "links", "id", "title", "readers", "dated_by"]);
/** Keys that people look for first. */
const USUAL = ["suffix", "type", "kind", "folder", "author", "from", "when", "date", "modified", "language"];
const NAMES = { suffix: "File type", folder: "Folder", modified: "Changed", when: "Date" };
/** Keys that are shown at once, and values of each. */
const MOST = 5;
const VALUES = 6;
/** Least worth of a key, in bits. */
const LEAST = 0.3;
const DAY = /^\d{4}-\d{2}-\d{2}/;

/**
 * @param {HTMLElement} panel
 * @param {Object<string, Object>} keys as the service counts them.
 * @param {number} passages that were counted.
 * @param {Object[]} filters rows of conditions.
 * @param {(filters: Object[]) => void} narrow takes the changed rows.
 */
export function showFacets(panel, keys, passages, filters, narrow) {
  const groups = Object.entries(keys)
    .filter(([key, { values }]) => values && !HIDDEN.has(key))
    .map(([key, { type, values }]) => ({ key, values: grouped(type, values).filter((each) => each.passages < passages || isOn(filters, each.rows(key))) }))
    .map((group) => ({ ...group, gain: gain(group, passages), isUsed: filters.some(({ key }) => key === group.key) }))
    .filter(({ values, gain, isUsed }) => values.length && (isUsed || (values.length > 1 && gain > LEAST)))
    .sort((a, b) => b.isUsed - a.isUsed || b.gain - a.gain);
  const [first, rest] = [groups.slice(0, MOST), groups.slice(MOST)];
  const element = (group) => section(group, filters, narrow);
  for (const each of [panel, byId("facets-toggle")]) show(each, groups.length > 0);
  put(
    panel.querySelector("#facet-groups"),
    first.map(element),
    rest.length ? h("details", { class: "more" }, h("summary", {}, `${rest.length} more`), rest.map(element)) : null,
  );
}

/**
 * How well a key splits the passages: the bits that its value tells about one, less where every
 * passage has a value of its own, or many have none.
 */
function gain({ key, values }, passages) {
  const known = values.reduce((sum, each) => sum + each.passages, 0);
  if (!known) return 0;
  const bits = values.reduce((sum, { passages: n }) => sum - (n / known) * Math.log2(n / known), 0);
  const repeats = 1 - (values.length - 1) / known;
  const usual = USUAL.includes(key) ? 1.5 : 1;
  return Math.min(bits, 3) * repeats * Math.min(known / Math.max(passages, 1), 1) ** 2 * usual;
}

/** Values to press: dates by their year, or by month within one year; the most frequent first. */
function grouped(type, values) {
  const plain = values.filter(({ value }) => String(value).trim());
  if (type !== "date" && !(plain.length && plain.every(({ value }) => DAY.test(value)))) return plain.map(({ value, passages }) => ({ label: String(value), passages, rows: (key) => [{ key, operator: "eq", value: String(value) }] }));
  const years = new Set(plain.map(({ value }) => String(value).slice(0, 4)));
  const length = years.size > 1 ? 4 : 7;
  const sums = new Map();
  for (const { value, passages } of plain) {
    const label = String(value).slice(0, length);
    sums.set(label, (sums.get(label) ?? 0) + passages);
  }
  return [...sums].sort(([a], [b]) => (a < b ? 1 : -1)).map(([label, passages]) => ({ label, passages, rows: (key) => span(key, label) }));
}

/** The conditions that a year or a month stands for. */
function span(key, label) {
  const [year, month] = label.split("-").map(Number);
  const pad = (number) => String(number).padStart(2, "0");
  const next = month ? (month === 12 ? `${year + 1}-01` : `${year}-${pad(month + 1)}`) : String(year + 1);
  const day = (text) => `${text}${text.length === 4 ? "-01" : ""}-01`;
  return [{ key, operator: "gte", value: day(label) }, { key, operator: "lt", value: day(next) }];
}

const isRow = (row) => (other) => ["key", "operator", "value"].every((name) => row[name] === other[name]);

const isOn = (filters, rows) => rows.every((row) => filters.some(isRow(row)));

/** Folders without the part that they share, and without those that hold one of them alone. */
function folders(values) {
  const left = values.filter(({ label, passages }) => !values.some((other) => other.label.startsWith(`${label}/`) && other.passages === passages));
  const paths = left.map(({ label }) => label.split("/"));
  const isShared = (i) => paths.every((path) => path.length > i + 1 && path[i] === paths[0][i]);
  let shared = 0;
  while (paths.length > 1 && isShared(shared)) shared += 1;
  return left.map((each, i) => ({ ...each, label: paths[i].slice(shared).join("/") }));
}

function section({ key, values: given }, filters, narrow) {
  const values = key === "folder" ? folders(given) : given;
  const heading = `facet-${key}`;
  const all = values.map((value) => h("li", {}, choice(value, value.rows(key), filters, narrow)));
  return h(
    "section",
    { "aria-labelledby": heading },
    h("h3", { id: heading }, NAMES[key] ?? spaced(key)),
    h("ul", {}, all.slice(0, VALUES)),
    all.length > VALUES ? h("details", { class: "more" }, h("summary", {}, `${all.length - VALUES} more`), h("ul", {}, all.slice(VALUES))) : null,
  );
}

function choice({ label, passages }, rows, filters, narrow) {
  const on = isOn(filters, rows);
  const toggle = () => narrow(on ? filters.filter((row) => !rows.some(isRow(row))) : [...filters, ...rows]);
  return h("button", { type: "button", class: "facet", "aria-pressed": String(on), onclick: toggle }, h("bdi", {}, label), h("span", {}, count(passages)));
}
