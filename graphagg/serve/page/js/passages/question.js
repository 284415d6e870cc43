/** The words of a question, and where a text holds them. */

const STOP = new Set(
  ("a an and any are as at be been but by can could did do does for from had has have how i if in into is it its " +
  "may me my of on or our shall should that the their them there these they this those to was we were what when " +
  "where which who whom whose why will with would you your he she his her him we us yes no der die das und ist ein eine le la les de des du et").split(" "),
);
/** A word; a code such as TX-90 is one. */
const WORD = /[\p{L}\p{N}]+(?:[-_./][\p{L}\p{N}]+)*/gu;
const PART = /[\p{L}\p{N}]+/gu;

/** Whether a word says nothing by itself. */
export function isStopWord(word) {
  return STOP.has(word);
}

/** A word without the ends that English gives it. */
function stem(word) {
  const plain = word.toLowerCase();
  return plain.length > 3 ? plain.replace(/(?:ies|ing|ed|es|e|s|y)$/, "") : plain;
}

/** @returns {Set<string>} stems of the words that say something. */
export function stems(question) {
  const words = question.match(WORD) ?? [];
  return new Set(words.filter((word) => !STOP.has(word.toLowerCase()) && word.length > 1).map(stem));
}

/** @returns {{start: number, end: number}[]} the words of a text that have one of these stems. */
export function places(text, wanted) {
  if (!wanted.size) return [];
  const parts = (match) => [...match[0].matchAll(PART)].map((part) => ({ word: part[0], start: match.index + part.index }));
  return [...text.matchAll(WORD)].flatMap((match) => {
    const all = { word: match[0], start: match.index };
    const found = wanted.has(stem(match[0])) ? [all] : parts(match).filter(({ word }) => wanted.has(stem(word)));
    return found.map(({ word, start }) => ({ start, end: start + word.length }));
  });
}
