/** Themes as areas: the more passages, the larger; what a question lights up stands out. */

import { h, put } from "../dom.js";
import { plural } from "../words.js";

/** Areas that are drawn as such; the rest, however many, are small ones. */
const NAMES = 4;

/**
 * @param {HTMLElement} place an ordered list.
 * @param {Object[]} themes the largest first.
 * @param {?Object} lit where the passages of a question lie.
 * @param {{total: number, link: (id: string) => string}} options
 */
export function areas(place, themes, lit, { total, link }) {
  put(place, themes.map((theme) => area(theme, lit, total, link)));
}

function area(theme, lit, total, link) {
  const hits = lit?.themes[theme.id] ?? 0;
  const share = theme.passages / Math.max(total, 1);
  const look = ["area", lit && (hits ? "lit" : "away")].filter(Boolean).join(" ");
  const names = theme.entities.slice(0, NAMES).map(({ name }) => name).join(" · ");
  return h(
    "li",
    { class: look, "--share": share.toFixed(4) },
    h(
      "a",
      { href: link(theme.id) },
      h("span", { class: "area-label" }, theme.label),
      names ? h("span", { class: "area-names" }, names) : null,
      h(
        "span",
        { class: "area-size" },
        plural(theme.passages, "passage"),
        theme.span ? h("span", { class: "area-span" }, spanText(theme.span)) : null,
        hits ? h("strong", { class: "area-hits" }, `${hits} lit`) : null,
      ),
    ),
  );
}

/** "1998 – 2004", or the one date there is. */
export function spanText({ first, last }) {
  const [from, to] = [first, last].map((text) => text.slice(0, 10));
  return from === to ? from : `${from} – ${to}`;
}
