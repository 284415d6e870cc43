/** Conditions on metadata: rows of key, operator and value, in the service's filter language. */

import { byId, h, put, show } from "../dom.js";
import { spaced } from "../words.js";

const GIVEN = [["exists", "is present"], ["absent", "is missing"]];
const OPERATORS = {
  string: [["eq", "is"], ["ne", "is not"], ["in", "is one of"], ...GIVEN],
  number: [["eq", "="], ["ne", "≠"], ["gte", "≥"], ["lte", "≤"], ...GIVEN],
  date: [["gte", "from"], ["lt", "before"], ["eq", "is"], ...GIVEN],
  boolean: [["eq", "is"], ...GIVEN],
  "list of strings": [["eq", "contains"], ["ne", "does not contain"], ["in", "contains one of"], ...GIVEN],
  "list of numbers": [["eq", "contains"], ["ne", "does not contain"], ...GIVEN],
};
const HINTS = { number: "2020", date: "2020-05-31", "list of numbers": "7" };

function operators(type) {
  return OPERATORS[type] ?? GIVEN;
}

/** Whether a row says enough to be asked. */
function complete({ operator, value }) {
  return operator === "exists" || operator === "absent" || value.trim() !== "";
}

/**
 * The service's filter, or null for none.
 * @param {{key: string, operator: string, value: string}[]} rows
 * @param {Object<string, string>} types of the keys.
 * @throws {RangeError} in words for people, if a value is not of its key's type.
 */
export function toFilter(rows, types) {
  const clauses = rows.map(({ key, operator, value }) => {
    if (operator === "exists" || operator === "absent") return { [key]: { exists: operator === "exists" } };
    const typed = (text) => typedValue(key, types[key], text.trim());
    const list = operator === "in" ? value.split(",").filter((text) => text.trim()).map(typed) : null;
    return { [key]: { [operator]: list ?? typed(value) } };
  });
  if (!clauses.length) return null;
  return clauses.length === 1 ? clauses[0] : { and: clauses };
}

function typedValue(key, type, text) {
  if (type === "boolean") return text === "true";
  if (type !== "number" && type !== "list of numbers") return text;
  const number = Number(text);
  if (text === "" || !Number.isFinite(number)) {
    throw new RangeError(`“${spaced(key)}” is a number, and “${text}” is none.`);
  }
  return number;
}

export class Filters {
  #place;
  #list;
  #adder;
  #types;
  #values;
  #change;

  /**
   * @param {HTMLElement} place with a list for the rows, and a button that adds one.
   * @param {Object<string, string>} types of the metadata keys.
   * @param {Object<string, Array>} values of the keys that have few.
   * @param {() => void} change is called when the conditions have changed.
   */
  constructor(place, types, values, change) {
    this.#place = place;
    this.#list = place.querySelector("ul");
    this.#adder = place.querySelector("button");
    this.#types = types;
    this.#values = values;
    this.#change = change;
    show(place, Object.keys(types).length > 0);
    this.#adder.addEventListener("click", () => {
      const row = this.#row({ key: Object.keys(types)[0], operator: "", value: "" });
      this.#list.append(row);
      row.querySelector("select").focus();
    });
  }

  /** The complete rows. */
  get rows() {
    return [...this.#list.children].map(readRow).filter(complete);
  }

  show(rows) {
    if (JSON.stringify(rows) === JSON.stringify(this.rows)) return;
    put(this.#list, rows.map((row) => this.#row(row)));
  }

  #row({ key, operator, value }) {
    const known = key in this.#types ? Object.keys(this.#types) : [key, ...Object.keys(this.#types)];
    const keys = select("Key", known.map((name) => [name, spaced(name)]), key);
    const row = h("li", {}, keys);
    const rest = (chosen, text) => {
      const type = this.#types[keys.value];
      const how = select("Condition", operators(type), chosen);
      const field = this.#field(keys.value, type, text);
      how.addEventListener("change", () => {
        show(field, how.value !== "exists" && how.value !== "absent");
        this.#change();
      });
      show(field, how.value !== "exists" && how.value !== "absent");
      field.addEventListener("change", () => this.#change());
      row.replaceChildren(keys, how, field, this.#remover(row));
    };
    keys.addEventListener("change", () => {
      rest("", "");
      this.#change();
    });
    rest(operator, value);
    return row;
  }

  #field(key, type, text) {
    if (type === "boolean") return select("Value", [["true", "true"], ["false", "false"]], text, "value");
    const id = `values-${key}`;
    const values = this.#values[key] ?? [];
    const input = h("input", { class: "value", type: "text", "aria-label": "Value", placeholder: HINTS[type] ?? "", list: values.length ? id : null });
    input.value = text;
    if (values.length && !byId(id)) {
      this.#place.append(h("datalist", { id }, values.map((item) => h("option", { value: item }))));
    }
    return input;
  }

  #remover(row) {
    const remove = () => {
      row.remove();
      this.#adder.focus();
      this.#change();
    };
    return h("button", { type: "button", class: "add", "aria-label": "Remove this filter", onclick: remove }, "×");
  }
}

function select(label, choices, chosen, kind = null) {
  const element = h("select", { "aria-label": label, class: kind }, choices.map(([value, text]) => h("option", { value }, text)));
  if (choices.some(([value]) => value === chosen)) element.value = chosen;
  return element;
}

function readRow(row) {
  const [key, how, field] = row.querySelectorAll("select, input");
  return { key: key.value, operator: how.value, value: field.value };
}
