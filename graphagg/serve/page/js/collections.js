/** The collections of a service: which one the address names, and the choice of another. */

import { byId, h, put, show } from "./dom.js";

const KEY = "collection";

/** @returns {string|null} the collection of the address; the only one there is; else null. */
export function chosen(collections) {
  const named = new URLSearchParams(location.search).get(KEY);
  if (named !== null) return named;
  return collections.length === 1 ? collections[0].name : null;
}

/** The address of a collection. */
export function addressOf(name, hash = "") {
  return `${location.pathname}?${new URLSearchParams({ [KEY]: name })}${hash}`;
}

/** Shows the choice, with the problem of a damaged one; choosing opens the page of a collection. */
export function chooser(collections, name) {
  const named = collections.some((each) => each.name === name);
  const all = name === null || named ? collections : [{ name }, ...collections];
  const none = name === null ? [h("option", { value: "" }, "Choose …")] : [];
  const select = byId("collection");
  put(select, none, all.map(({ name: value, problem }) => h("option", { value }, problem ? `${value} (damaged: ${problem})` : value)));
  select.value = name ?? "";
  select.addEventListener("change", () => {
    if (select.value) location.href = addressOf(select.value);
  });
  show(byId("collection-place"), all.length > 0);
}
