/** The hop path of one hit as a chain of nodes: question, entity, sentence, entity, passage. */

import { h } from "../dom.js";
import { signed } from "../words.js";

export const KINDS = {
  question: "Question",
  theme: "Theme",
  question_entity: "In the question",
  entity: "Entity",
  reference: "Links to",
  similarity: "Similar text",
  sentence: "Sentence",
  passage: "Passage",
};

/** Where every path begins. */
export const START = { kind: "question", text: "", label: "Your question" };

/** @param {Object[]} path the steps of a hit, from what the question names to the passage. */
export function chain(path) {
  const steps = [START, ...path];
  return h(
    "ol",
    { class: "path", "aria-label": "Hop path" },
    steps.map((step) =>
      h(
        "li",
        { class: `hop ${step.kind}`, title: step.kind === "question" ? null : step.label },
        step.kind === "question" ? null : h("span", { class: "hop-kind" }, KINDS[step.kind]),
        h("span", { class: "hop-text" }, step.label),
        step.contribution ? h("span", { class: "hop-part" }, signed(step.contribution)) : null,
      ),
    ),
  );
}
