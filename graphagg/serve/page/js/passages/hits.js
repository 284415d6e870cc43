/** The ranked passages. */

import { h, put } from "../dom.js";
import { score, spaced } from "../words.js";
import { marker } from "./highlight.js";
import { parts } from "./parts.js";
import { chain } from "./path.js";
import { place, PLACE_KEYS } from "./place.js";
import { prose } from "./prose.js";
import { places, stems } from "./question.js";

/**
 * @param {Object} state of the view: what was asked.
 * @param {{first?: number, remove?: (hit: Object) => void}} options rank of the first hit; how a
 *   document is deleted, where it may be.
 */
export function showHits(list, hits, state, { first = 1, remove = null } = {}) {
  const leading = new Set(
    hits.flatMap((hit) => hit.path.filter((step) => step.kind === "sentence").map((step) => step.label)),
  );
  const words = stems(state.question ?? "");
  list.setAttribute("start", String(first));
  put(list, hits.map((hit, i) => item(hit, first + i, [...leading], state, words, remove)));
}

/** The element of a hit. */
export function hitElement(list, id) {
  return [...list.children].find((element) => element.dataset.passage === id) ?? null;
}

function item(hit, rank, sentences, state, words, remove) {
  const heading = `hit-${rank}`;
  return h(
    "li",
    { class: "panel hit", "data-passage": hit.id },
    h(
      "article",
      { "aria-labelledby": heading },
      h(
        "header",
        {},
        h("span", { class: "rank", "aria-hidden": "true" }, rank),
        h("h2", { id: heading, tabindex: "-1" }, hit.title || hit.id),
        h("span", { class: "score", title: "Score" }, score(hit.score)),
      ),
      place(hit, state),
      h("div", { class: "text" }, text(hit, sentences, words)),
      copies(hit.copies ?? []),
      metadata(hit.metadata),
      chain(hit.path),
      parts(hit),
      remove
        ? h("p", { class: "hit-actions" }, h("button", { type: "button", class: "danger", onclick: () => remove(hit) }, "Delete the document"))
        : null,
    ),
  );
}

/** The piece of the passage that the service gives, with an ellipsis where it was cut. */
function text(hit, sentences, words) {
  const cut = hit.cut ?? { start: 0, end: 0, characters: 0 };
  const marked = marker(hit.text, hit.mentions, namesOf(hit), sentences, hit.match, places(hit.text, words));
  const blocks = prose(hit.text, marked);
  if (cut.start > 0) blocks.at(0)?.prepend("… ");
  if (cut.end < cut.characters) blocks.at(-1)?.append(" …");
  return blocks;
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
