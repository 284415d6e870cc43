/** The words of a question, and where a text holds them. */

const STOP = new Set(
  ("a an and any are as at be been but by can could did do does for from had has have how i if in into is it its " +
  "may me my of on or our shall should that the their them there these they this those to was we were what when " +
  "where which who whom whose why will with would you your der die das und ist ein eine le la les de des du et").split(" "),
);
const WORD = /[\p{L}\p{N}]+/gu;

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
  return [...text.matchAll(WORD)]
    .filter(([word]) => wanted.has(stem(word)))
    .map((match) => ({ start: match.index, end: match.index + match[0].length }));
}
