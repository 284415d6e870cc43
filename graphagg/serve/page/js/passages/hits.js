/** The ranked passages. */

import { h, put } from "../dom.js";
import { size, spaced } from "../words.js";
import { marker } from "./highlight.js";
import { parts } from "./parts.js";
import { chain } from "./path.js";
import { place, PLACE_KEYS, sectionOf, titleOf } from "./place.js";
import { prose } from "./prose.js";
import { places, stems } from "./question.js";

/**
 * @param {Object} state of the view: what was asked.
 * @param {number} first rank of the first hit.
 */
export function showHits(list, hits, state, first = 1) {
  const leading = hits.flatMap((hit) => hit.path.filter((step) => step.kind === "sentence").map((step) => step.label));
  // Names that lead somewhere: what else a passage mentions need not be a name.
  const names = new Set(hits.flatMap(({ path }) => path.filter(({ kind }) => kind === "entity" || kind === "question_entity").map(({ text }) => text.toLowerCase())));
  const about = { sentences: [...new Set(leading)], names, words: stems(state.question ?? "") };
  list.setAttribute("start", String(first));
  put(list, hits.map((hit, i) => item(hit, first + i, state, about)));
}

/** The element of a hit. */
export function hitElement(list, id) {
  return [...list.children].find((element) => element.dataset.passage === id) ?? null;
}

function item(hit, rank, state, about) {
  const heading = `hit-${rank}`;
  return h(
    "li",
    { class: "panel hit", "data-passage": hit.id },
    h(
      "article",
      { "aria-labelledby": heading },
      h("header", {}, h("span", { class: "rank", "aria-hidden": "true" }, rank), h("h2", { id: heading, tabindex: "-1", dir: "auto" }, titleOf(hit))),
      place(hit, state),
      versions(hit),
      h("div", { class: "text", dir: "auto" }, text(hit, about)),
      h(
        "details",
        { class: "why" },
        h("summary", {}, "Why this passage", reached(hit)),
        chain(hit.path),
        parts(hit),
        copies(hit.copies ?? []),
        metadata(hit.metadata),
      ),
    ),
  );
}

/** The passage and the name that lead to a hit by a hop, in a line. */
function reached({ path }) {
  const before = path.slice(0, -1);
  const from = before.filter(({ kind }) => kind === "passage").at(-1);
  if (!from) return null;
  const via = before.filter(({ kind }) => kind === "entity" || kind === "reference").at(-1);
  return h("span", { class: "quiet" }, ` · reached from “${from.label}”${via ? ` by “${via.label}”` : ""}`);
}

/** The piece of the passage that the service gives, with an ellipsis where it was cut. */
function text(hit, { sentences, names, words }) {
  const cut = hit.cut ?? { start: 0, end: 0, characters: 0 };
  const marked = marker(hit.text, null, namesOf(hit), sentences, hit.match, places(hit.text, words), names);
  const blocks = prose(hit.text, marked);
  // A section begins with its heading, which stands above already.
  if (blocks.length > 1 && !cut.start && blocks[0].textContent.trim() === sectionOf(hit)) blocks.shift();
  if (cut.start > 0) blocks.at(0)?.prepend("… ");
  if (cut.end < cut.characters) blocks.at(-1)?.append(" …");
  return blocks;
}

/** The place of the hit among the versions of its document, and its date with the source. */
function versions({ versions: family, metadata: { when, dated_by: source } = {} }) {
  const dated = when && source ? `dated ${String(when).slice(0, 10)} (${spaced(source)})` : "";
  const newest = family && family.place === 1;
  if (!family && !dated) return null;
  return h(
    "p",
    { class: "versions" },
    family ? h("span", { class: newest ? "badge newest" : "badge" }, family.text) : null,
    dated ? h("span", { class: "quiet" }, dated) : null,
  );
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
  const whole = (value) => (Array.isArray(value) ? value.map(text).join(", ") : text(value));
  const shown = (key, value) => {
    if (key === "size" && typeof value === "number") return size(value);
    return key === "modified" ? whole(value).slice(0, 10) : whole(value);
  };
  return h(
    "dl",
    { class: "metadata" },
    entries.map(([key, value]) => h("div", {}, h("dt", {}, spaced(key)), h("dd", {}, shown(key, value)))),
  );
}
