/** A passage's text with its entities marked and the sentences that lead on underlined. */

import { h } from "../dom.js";
import { isStopWord } from "./question.js";

/**
 * @param {string} text
 * @param {{start: number, end: number, entity: string}[]|null} mentions in code points; null where
 *   the service does not say, and then the names are looked for.
 * @param {Set<string>} names of the entities on the path, in lower case.
 * @param {string[]} sentences that lead from this passage to another.
 * @param {{start: number, end: number}|null} closest the sentence that is closest to the question.
 * @returns {Node[]}
 */
export function highlighted(text, mentions, names, sentences, closest = null) {
  return marker(text, mentions, names, sentences, closest)(0, text.length);
}

/**
 * The same for any piece of the text.
 * @param {{start: number, end: number}[]} words of the question, in JavaScript's units.
 * @param {Set<string>} all names to be looked for, in lower case.
 * @returns {(start: number, end: number) => Node[]}
 */
export function marker(text, mentions, names, sentences, closest = null, words = [], all = names) {
  const marks = disjoint(mentions === null ? found(text, [...all]) : inUnits(text, mentions));
  const lines = sentences.flatMap((sentence) => {
    const start = text.indexOf(sentence);
    return start < 0 ? [] : [{ start, end: start + sentence.length }];
  });
  const near = closest === null ? [] : inUnits(text, [closest]);
  const cuts = new Set([0, text.length, ...[...marks, ...lines, ...near, ...words].flatMap(({ start, end }) => [start, end])]);
  const ends = [...cuts].sort((a, b) => a - b);
  const over = (spans, at) => spans.find(({ start, end }) => start <= at && at < end);
  return (from, until) => {
    const inside = [from, ...ends.filter((end) => from < end && end < until), until];
    return inside.slice(0, -1).map((start, i) =>
      piece(text.slice(start, inside[i + 1]), over(marks, start), over(lines, start), over(near, start), names, over(words, start)),
    );
  };
}

function piece(text, mark, line, near, names, word) {
  const kinds = [line ? "leads-on" : "", near ? "closest" : "", word ? "word" : ""];
  if (!mark) {
    const shown = kinds.filter(Boolean).join(" ");
    return shown ? h("span", { class: shown }, text) : document.createTextNode(text);
  }
  kinds.unshift(names.has(mark.entity.toLowerCase()) ? "on-path" : "");
  return h("mark", { class: kinds.filter(Boolean).join(" "), title: mark.entity }, text);
}

/** Offsets in code points become offsets in JavaScript's units. */
function inUnits(text, mentions) {
  const units = [0];
  for (const character of text) units.push(units.at(-1) + character.length);
  const last = units.length - 1;
  return mentions.map(({ start, end, entity }) => ({
    start: units[Math.min(start, last)],
    end: units[Math.min(end, last)],
    entity,
  }));
}

/** Where names stand as such: whole words, and as one writes a name in a script that has capitals. */
function found(text, names) {
  const lower = text.toLowerCase();
  // Lower case may have another length (İ); then the places would not fit.
  if (lower.length !== text.length) return [];
  const isInside = (at) => /[\p{Ll}\p{Lu}\p{N}]/u.test(text[at] ?? "");
  return names.filter((name) => name.length > 1 && !isStopWord(name)).flatMap((entity) => {
    const spans = [];
    for (let start = lower.indexOf(entity); start >= 0; start = lower.indexOf(entity, start + 1)) {
      const end = start + entity.length;
      const isWhole = !isInside(start - 1) && !isInside(end);
      if (isWhole && /^[\p{Lu}\p{Lt}\p{Lo}\p{N}]/u.test(text.slice(start))) spans.push({ start, end, entity });
    }
    return spans;
  });
}

/** Of marks that overlap the first, and of those the longest, stays. */
function disjoint(marks) {
  const ordered = [...marks].sort((a, b) => a.start - b.start || b.end - a.end);
  let end = 0;
  return ordered.filter((mark) => {
    if (mark.start < end || mark.end <= mark.start) return false;
    end = mark.end;
    return true;
  });
}
