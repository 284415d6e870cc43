/** Asks a question; titles and sentences are made ready to be shown. */

import * as api from "../api.js";

/**
 * @returns {Promise<{hits: Object[], latency_ms: number}>} each step of a path has a `label`.
 */
export async function ask(request, signal) {
  const answer = await api.search(request, signal);
  const titles = titlesOf(answer.hits);
  const hits = answer.hits.map((hit) => ({
    ...hit,
    path: hit.path.map((step) => ({ ...step, label: label(step, titles) })),
  }));
  return { ...answer, hits };
}

function titlesOf(hits) {
  const steps = hits.flatMap((hit) => hit.path.filter(({ kind, title }) => kind === "passage" && title));
  return new Map([
    ...steps.map(({ text, title }) => [text, title]),
    ...hits.map(({ id, title }) => [id, title]),
  ]);
}

/** What a step shows: a passage its title; a sentence its text, without a title in front of it. */
function label({ kind, text }, titles) {
  if (kind === "passage") return titles.get(text) || text;
  if (kind !== "sentence") return text;
  const title = [...titles.values()].find((name) => name && text.startsWith(`${name}\n`));
  return title ? text.slice(title.length + 1) : text;
}
