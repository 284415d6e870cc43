/** An answer in words with its Markdown; each citation leads to its passage. */

import * as api from "../api.js";
import { announce, byId, h, put, show } from "../dom.js";
import { sentence } from "../words.js";
import { prose } from "./prose.js";

const CITED = /\[(\d{1,3}(?:\s*[,;]\s*\d{1,3})*)\]/g;
/** What stands in front of an answer: longer ones are folded, so that passages stay in sight. */
const FOLDED = "folded";

/**
 * @param {Object} request of the search whose passages are shown.
 * @param {Object[]} hits those passages.
 * @returns {Promise<boolean>} whether the answer cites a passage.
 */
export async function inWords(request, hits, signal) {
  const [place, about, more] = ["words-text", "words-about", "words-more"].map(byId);
  let hasCited = false;
  put(place);
  place.classList.add(FOLDED);
  place.classList.remove("cut");
  show(more, false);
  about.textContent = "The language model reads the passages …";
  show(byId("words"), true);
  more.onclick = () => {
    place.classList.remove(FOLDED, "cut");
    show(more, false);
  };
  try {
    const answer = await api.answer(request, signal);
    put(place, prose(answer.text, (start, end) => cited(answer.text.slice(start, end), hits)));
    hasCited = answer.citations.length > 0;
    about.textContent = checked(answer);
    announce("The answer in words is complete.");
    const isCut = place.scrollHeight > place.clientHeight + 8;
    show(more, isCut);
    place.classList.toggle("cut", isCut);
  } catch (error) {
    if (api.isAbort(error)) return true;
    about.textContent = sentence(error.message || "The language model gave no answer");
  }
  return hasCited;
}

function checked({ citations, unknown_citations: unknown }) {
  const wrong = unknown.length ? ` ${unknown.map((n) => `[${n}]`).join(", ")} is none of them.` : "";
  return citations.length ? `By a language model.${wrong}` : `By a language model, which cites no passage.${wrong}`;
}

function cited(text, hits) {
  const nodes = [];
  let at = 0;
  for (const match of text.matchAll(CITED)) {
    nodes.push(text.slice(at, match.index));
    for (const number of match[1].split(/\s*[,;]\s*/)) {
      const hit = hits[Number(number) - 1];
      nodes.push(hit ? link(number, hit) : `[${number}]`);
    }
    at = match.index + match[0].length;
  }
  nodes.push(text.slice(at));
  return nodes.filter((node) => node !== "").map((node) => (typeof node === "string" ? document.createTextNode(node) : node));
}

function link(number, hit) {
  const go = (event) => {
    event.preventDefault();
    const heading = byId(`hit-${number}`);
    heading.scrollIntoView({ block: "start" });
    heading.focus({ preventScroll: true });
  };
  return h("a", { class: "cite", href: `#hit-${number}`, title: hit.title || hit.id, onclick: go }, `[${number}]`);
}
