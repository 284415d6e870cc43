/** An answer in words, as it comes; each citation leads to its passage. */

import * as api from "../api.js";
import { announce, byId, h, put, show } from "../dom.js";
import { sentence } from "../words.js";

const CITED = /\[(\d{1,3}(?:\s*[,;]\s*\d{1,3})*)\]/g;

/**
 * @param {Object} request of the search whose passages are shown.
 * @param {Object[]} hits those passages.
 */
export async function inWords(request, hits, signal) {
  const [place, about] = [byId("words-text"), byId("words-about")];
  let text = "";
  put(place);
  about.textContent = "The language model reads the passages …";
  show(byId("words"), true);
  try {
    await api.answer(request, signal, (event) => {
      if (event.text) {
        text += event.text;
        place.textContent = text;
      } else if (event.citations) {
        put(place, cited(text, hits));
        about.textContent = checked(event);
        announce("The answer in words is complete.");
      }
    });
  } catch (error) {
    if (api.isAbort(error)) return;
    about.textContent = sentence(error.message || "The language model gave no answer");
  }
}

function checked({ citations, unknown_citations: unknown }) {
  const wrong = unknown.length ? ` It cites ${unknown.map((n) => `[${n}]`).join(", ")}, which it was not given.` : "";
  return citations.length ? `Its citations are among the passages below.${wrong}` : `It cites no passage.${wrong}`;
}

function cited(text, hits) {
  const nodes = [];
  let at = 0;
  for (const match of text.matchAll(CITED)) {
    nodes.push(text.slice(at, match.index));
    for (const [i, number] of match[1].split(/\s*[,;]\s*/).entries()) {
      if (i) nodes.push(" ");
      const hit = hits[Number(number) - 1];
      nodes.push(hit ? link(number, hit) : `[${number}]`);
    }
    at = match.index + match[0].length;
  }
  nodes.push(text.slice(at));
  return nodes.filter((node) => node !== "");
}

function link(number, hit) {
  const go = (event) => {
    event.preventDefault();
    const heading = byId(`hit-${number}`);
    heading.scrollIntoView({ block: "start" });
    heading.focus({ preventScroll: true });
  };
  return h("a", { href: `#hit-${number}`, title: hit.title || hit.id, onclick: go }, `[${number}]`);
}
