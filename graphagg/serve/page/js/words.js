/** Numbers and plurals as people read them. */

const whole = new Intl.NumberFormat("en");

/** 317080 -> "317,080". */
export function count(number) {
  return whole.format(number);
}

/** 1 -> "1 member", 3 -> "3 members". */
export function plural(number, word, words = `${word}s`) {
  return `${count(number)} ${number === 1 ? word : words}`;
}

/** A score of any scale in three digits. */
export function score(value) {
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size >= 0.01 && size < 1000) return value.toFixed(size < 10 ? (size < 1 ? 3 : 2) : 1);
  return value.toPrecision(3);
}

/** What a part adds to a score, with its sign. */
export function signed(value) {
  return value < 0 ? `−${score(-value)}` : `+${score(value)}`;
}

/** Milliseconds as people read them. */
export function duration(ms) {
  return ms < 1000 ? `${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`;
}

/** "a", "a and b", "a, b and c". */
export function list(words) {
  if (words.length < 2) return words.join("");
  return `${words.slice(0, -1).join(", ")} and ${words.at(-1)}`;
}

/** What a service says, as a sentence; the name of an option stays as it is. */
export function sentence(text) {
  const begun = /^\w+_/.test(text) ? text : text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?…]$/.test(begun) ? begun : `${begun}.`;
}

/** A key such as `title_words` without its underscores and hyphens, capitalized. */
export function spaced(key) {
  const words = key.replace(/[_-]/g, " ");
  return words.charAt(0).toUpperCase() + words.slice(1);
}

/** Bytes as people read them: 1,234 -> "1.2 KB". */
export function size(bytes) {
  const units = ["bytes", "KB", "MB", "GB"];
  const step = Math.min(Math.floor(Math.log10(Math.max(bytes, 1)) / 3), units.length - 1);
  const value = bytes / 1000 ** step;
  return `${value.toFixed(step && value < 10 ? 1 : 0)} ${units[step]}`;
}
