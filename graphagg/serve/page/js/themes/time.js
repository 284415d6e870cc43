/** The time of the map: a first and a last date, as conditions on the key that dates passages. */

import { byId, show } from "../dom.js";
import { spaced } from "../words.js";
import { spanText } from "./areas.js";

/** By type of the key: the field, the operator of its end, and what the end is called. */
const FIELDS = {
  date: { type: "date", end: "lt", title: "before" },
  number: { type: "number", end: "lte", title: "to" },
};
const TEXT = { type: "text", end: "lte", title: "to" };
const START = "gte";

export class Time {
  #types;
  #key = null;

  /**
   * @param {Object<string, string>} types of the metadata keys.
   * @param {() => void} change is called when a date has changed.
   */
  constructor(types, change) {
    this.#types = types;
    for (const id of ["map-from", "map-until"]) byId(id).addEventListener("change", change);
    byId("map-any-time").addEventListener("click", () => {
      for (const id of ["map-from", "map-until"]) byId(id).value = "";
      change();
    });
  }

  get #field() {
    return FIELDS[this.#types[this.#key]] ?? TEXT;
  }

  /** What a map says of time; a map of nothing, or of few dates, says nothing new. */
  learn(when, themes, passages) {
    const dated = themes.reduce((sum, { span }) => sum + (span?.dated ?? 0), 0);
    if (when !== null && when in this.#types && dated >= passages / 10) this.#key = when;
    show(byId("map-time"), this.#key !== null);
    if (this.#key === null) return;
    const { type, title } = this.#field;
    for (const id of ["map-from", "map-until"]) byId(id).type = type;
    byId("map-until-title").textContent = title;
    const spans = themes.map(({ span }) => span).filter(Boolean);
    const firsts = spans.map(({ first }) => first).sort(byValue);
    const lasts = spans.map(({ last }) => last).sort(byValue);
    const range = spans.length ? `: ${spanText({ first: firsts[0], last: lasts.at(-1) })}` : "";
    byId("map-time-title").textContent = `Time, by “${spaced(this.#key)}”${range}`;
  }

  /** The conditions that the dates stand for. */
  get rows() {
    if (this.#key === null) return [];
    const ends = [[START, "map-from"], [this.#field.end, "map-until"]];
    return ends
      .map(([operator, id]) => ({ key: this.#key, operator, value: byId(id).value.trim() }))
      .filter(({ value }) => value);
  }

  /** Shows the conditions on time among some, and returns the others. */
  show(rows) {
    const { end } = this.#key === null ? TEXT : this.#field;
    const taken = new Map();
    const left = rows.filter((row) => {
      const mine = row.key === this.#key && (row.operator === START || row.operator === end);
      if (!mine || taken.has(row.operator)) return true;
      taken.set(row.operator, row.value);
      return false;
    });
    byId("map-from").value = taken.get(START) ?? "";
    byId("map-until").value = taken.get(end) ?? "";
    return left;
  }
}

/** Years by their number, dates by their text. */
function byValue(a, b) {
  return a.localeCompare(b, "en", { numeric: true });
}
