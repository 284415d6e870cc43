/** What a score is made of: a bar in parts, and each part in words. */

import { h } from "../dom.js";
import { score, spaced } from "../words.js";

const WORDS = {
  similarity: "Close in meaning to the question",
  sentence: "Its best sentence is close in meaning",
  lexical: "Shares words with the question",
  title: "The question names its title",
  entities: "Mentions entities of the question",
  inherited: "Inherited from the previous passage",
  link: "Strength of the link that leads here",
  reference: "Strength of the document's link that leads here",
  joint_coverage: "Covers the question together with the previous passage",
  open_terms: "Close to words of the question that the previous passage lacks",
  coverage: "Contains words that no better passage has",
  named_page: "First page of an entity that the question names",
  question: "Fits the question alone",
  history: "Fits the previous question and this one together",
  document: "The question names its document",
  dense: "Close in meaning to the question",
  entity: "Mentions entities that were reached",
  walk: "Gain by the walk over the graph",
  bm25: "Shares words with the question",
};

/** @param {Object} hit with its score and components. */
export function parts(hit) {
  const components = Object.entries(hit.components).sort((a, b) => b[1] - a[1]);
  const total = components.reduce((sum, [, value]) => sum + Math.max(0, value), 0) || 1;
  const bar = components.map(([, value], i) =>
    h("span", { class: `part part-${i % 8}`, "--share": Math.max(0, value) / total }),
  );
  const rows = components.map(([name, value], i) =>
    h(
      "li",
      {},
      h("span", { class: `dot part-${i % 8}`, "aria-hidden": "true" }),
      h("span", { class: "part-name" }, WORDS[name] ?? spaced(name)),
      h("code", { class: "quiet" }, name),
      h("span", { class: "score" }, score(value)),
    ),
  );
  return h(
    "details",
    { class: "parts" },
    h("summary", {}, `Score ${score(hit.score)}: what it is made of`),
    h("div", { class: "stack", "aria-hidden": "true" }, bar),
    h("ul", {}, rows),
  );
}
