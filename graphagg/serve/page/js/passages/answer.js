/** Asks a question; paths are made ready to be shown. */

import * as api from "../api.js";

/**
 * @returns {Promise<{hits: Object[], latency_ms: number}>} each step of a path has a `label`.
 */
export async function ask(request, signal) {
  const answer = await api.search(request, signal);
  const steps = answer.hits.flatMap((hit) => hit.path.filter(({ kind }) => kind === "passage"));
  const titles = [...answer.hits.map(({ title }) => title), ...steps.map(({ text }) => text)];
  const hits = answer.hits.map((hit) => ({
    ...hit,
    path: hit.path.map((step) => ({ ...step, label: label(step, titles) })),
  }));
  return { ...answer, hits };
}

/** What a step shows: its text; of a sentence without a title in front of it. */
function label({ kind, text }, titles) {
  const title = kind === "sentence" && titles.find((name) => name && text.startsWith(`${name}\n`));
  return title ? text.slice(title.length + 1) : text;
}
