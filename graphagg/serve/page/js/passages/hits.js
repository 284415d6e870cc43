/** The ranked passages. */

import { h, put } from "../dom.js";
import { score, spaced } from "../words.js";
import { highlighted } from "./highlight.js";
import { parts } from "./parts.js";
import { chain } from "./path.js";

/** Titles of all passages that the answer names. */
export function titlesOf(hits) {
  const steps = hits.flatMap((hit) => hit.path.filter((step) => step.kind === "passage" && step.title));
  return new Map([...steps.map((step) => [step.text, step.title]), ...hits.map((hit) => [hit.id, hit.title])]);
}

export function showHits(place, hits) {
  const titles = titlesOf(hits);
  const leading = new Set(
    hits.flatMap((hit) => hit.path.filter((step) => step.kind === "sentence").map((step) => step.text)),
  );
  put(place, hits.map((hit, i) => item(hit, i, titles, [...leading])));
}

/** The element of a hit. */
export function hitElement(place, id) {
  return [...place.children].find((element) => element.dataset.passage === id) ?? null;
}

function item(hit, i, titles, sentences) {
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
      h("p", { class: "text" }, highlighted(hit.text, hit.mentions ?? null, namesOf(hit), sentences)),
      metadata(hit.metadata),
      chain(hit, titles),
      parts(hit),
    ),
  );
}

function namesOf(hit) {
  const entities = hit.path.filter((step) => step.kind === "entity" || step.kind === "question_entity");
  return new Set(entities.map((step) => step.text.toLowerCase()));
}

function metadata(values) {
  const entries = Object.entries(values ?? {}).filter(([, value]) => value !== null);
  if (!entries.length) return null;
  const text = (value) => (typeof value === "object" ? JSON.stringify(value) : String(value));
  const shown = (value) => (Array.isArray(value) ? value.map(text).join(", ") : text(value));
  return h(
    "dl",
    { class: "metadata" },
    entries.map(([key, value]) => h("div", {}, h("dt", {}, spaced(key)), h("dd", {}, shown(value)))),
  );
}
