/** The hop path of one hit as a chain of nodes: question, entity, sentence, entity, passage. */

import { h } from "../dom.js";
import { score } from "../words.js";

export const KINDS = {
  question: "Question",
  question_entity: "Named in the question",
  entity: "Entity",
  sentence: "Sentence",
  passage: "Passage",
};

/** What a step shows: a passage its title, everything else its text. */
export function label(step, titles) {
  if (step.kind !== "passage") return step.text;
  return step.title || titles.get(step.text) || step.text;
}

/**
 * @param {Object} hit
 * @param {Map<string, string>} titles of the passages that are known, by id.
 */
export function chain(hit, titles) {
  const steps = [{ kind: "question", text: "Your question", contribution: 0 }, ...hit.path];
  return h(
    "ol",
    { class: "path", "aria-label": "Hop path" },
    steps.map((step) =>
      h(
        "li",
        { class: `hop ${step.kind}`, title: step.kind === "question" ? null : label(step, titles) },
        step.kind === "question" ? null : h("span", { class: "hop-kind" }, KINDS[step.kind]),
        h("span", { class: "hop-text" }, label(step, titles)),
        step.contribution ? h("span", { class: "hop-part" }, `+${score(step.contribution)}`) : null,
      ),
    ),
  );
}
