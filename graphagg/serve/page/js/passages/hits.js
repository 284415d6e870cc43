/** The ranked passages. */

import { h, put } from "../dom.js";
import { score, spaced } from "../words.js";
import { highlighted } from "./highlight.js";
import { parts } from "./parts.js";
import { chain } from "./path.js";
import { place, PLACE_KEYS } from "./place.js";

/** @param {Object} state of the view: what was asked. */
export function showHits(list, hits, state) {
  const leading = new Set(
    hits.flatMap((hit) => hit.path.filter((step) => step.kind === "sentence").map((step) => step.label)),
  );
  put(list, hits.map((hit, i) => item(hit, i, [...leading], state)));
}

/** The element of a hit. */
export function hitElement(list, id) {
  return [...list.children].find((element) => element.dataset.passage === id) ?? null;
}

function item(hit, i, sentences, state) {
  const heading = `hit-${i + 1}`;
  return h(
    "li",
    { class: "panel hit", "data-passage": hit.id },
    h(
      "article",
      { "aria-labelledby": heading },
      h(
        "header",
        {},
        h("span", { class: "rank", "aria-hidden": "true" }, i + 1),
        h("h2", { id: heading, tabindex: "-1" }, hit.title || hit.id),
        h("span", { class: "score", title: "Score" }, score(hit.score)),
      ),
      place(hit, state),
      h("p", { class: "text" }, ...text(hit, sentences)),
      copies(hit.copies ?? []),
      metadata(hit.metadata),
      chain(hit.path),
      parts(hit),
    ),
  );
}

/** The piece of the passage that the service gives, with an ellipsis where it was cut. */
function text(hit, sentences) {
  const cut = hit.cut ?? { start: 0, end: 0, characters: 0 };
  const shown = highlighted(hit.text, hit.mentions, namesOf(hit), sentences, hit.match);
  return [cut.start > 0 ? "… " : "", ...shown, cut.end < cut.characters ? " …" : ""].filter((part) => part !== "");
}

/** The other passages with the very same text. */
function copies(ids) {
  return ids.length ? h("p", { class: "copies" }, `The same text: ${ids.join(", ")}`) : null;
}

function namesOf(hit) {
  const entities = hit.path.filter((step) => step.kind === "entity" || step.kind === "question_entity");
  return new Set(entities.map((step) => step.text.toLowerCase()));
}

function metadata(values) {
  const entries = Object.entries(values ?? {}).filter(
    ([key, value]) => value !== null && !PLACE_KEYS.includes(key),
  );
  if (!entries.length) return null;
  const text = (value) => (typeof value === "object" ? JSON.stringify(value) : String(value));
  const shown = (value) => (Array.isArray(value) ? value.map(text).join(", ") : text(value));
  return h(
    "dl",
    { class: "metadata" },
    entries.map(([key, value]) => h("div", {}, h("dt", {}, spaced(key)), h("dd", {}, shown(value)))),
  );
}
