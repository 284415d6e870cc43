/** What one theme is about, and its passages. */

import { h } from "../dom.js";
import { plural, score } from "../words.js";
import { spanText } from "./areas.js";

/**
 * @param {Object} theme
 * @param {(key: string) => string} link the address of a name.
 * @returns {HTMLElement[]}
 */
export function portrait(theme, link) {
  const time = theme.span ? ` ${spanText(theme.span)} (${plural(theme.span.dated, "dated passage")}).` : "";
  const about = `Theme ${theme.id}: ${plural(theme.passages, "passage")}.${time}`;
  return [
    h("p", { class: "quiet" }, about),
    part("Words", h("p", { class: "theme-words" }, theme.words.join(", "))),
    part(
      "Names",
      h("ul", { class: "theme-names" }, theme.entities.map(({ key, name }) => h("li", {}, h("a", { href: link(key) }, name)))),
      theme.entities.length,
    ),
    part("Most typical", named(theme.typical), theme.typical.length),
  ].filter(Boolean);
}

function part(title, content, wanted = true) {
  return wanted ? h("div", { class: "theme-part" }, h("h3", {}, title), content) : null;
}

function named(passages) {
  const row = ({ id, title, score: value }) =>
    h("li", {}, title || id, h("span", { class: "quiet" }, ` ${score(value)}`));
  return h("ol", { class: "theme-ranked" }, passages.slice(0, 5).map(row));
}

/**
 * Passages that open where they stand.
 * @param {Object[]} rows with id, title and text.
 * @param {Set<string>} lit ids of those that a question found.
 * @param {(question: string) => string} ask the address of a question.
 */
export function listed(rows, lit, ask) {
  return rows.map(({ id, title, text }) =>
    h(
      "li",
      { class: lit.has(id) ? "lit" : null },
      h(
        "details",
        {},
        h("summary", {}, h("span", { class: "listed-title" }, title || text.slice(0, 90)), h("span", { class: "quiet id" }, ` ${id}`)),
        h("p", {}, text),
        h("p", {}, h("a", { href: ask(title || text.slice(0, 200)) }, "Ask for passages like this")),
      ),
    ),
  );
}
