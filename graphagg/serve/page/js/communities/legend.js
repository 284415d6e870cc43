/** The key to the picture: one entry a sub-community, which shows it alone while it is pressed. */

import { h, put, svg } from "../dom.js";
import { plural } from "../words.js";
import { DISTINCT, color, shape } from "./palette.js";

const OUTLINES = {
  ellipse: () => svg("circle", { cx: 6, cy: 6, r: 5 }),
  "round-rectangle": () => svg("rect", { x: 1.2, y: 1.2, width: 9.6, height: 9.6, rx: 2 }),
  diamond: () => svg("path", { d: "M6 .4 11.6 6 6 11.6.4 6Z" }),
  triangle: () => svg("path", { d: "M6 1 11.5 11H.5Z" }),
  hexagon: () => svg("path", { d: "M3.2 1h5.6L11.6 6 8.8 11H3.2L.4 6Z" }),
};

/** The color and shape of a sub-community. */
export function swatch(community) {
  const outline = OUTLINES[shape(community)]();
  outline.setAttribute("fill", color(community));
  return svg("svg", { class: "swatch", viewBox: "0 0 12 12", "aria-hidden": "true" }, outline);
}

/**
 * @param {HTMLUListElement} place
 * @param {{id: number, size: number}[]} communities the largest first.
 * @param {(shown: ((community: number) => boolean)|null) => void} only what is to be shown alone;
 *   null for all.
 */
export function legend(place, communities, only) {
  const own = communities.slice(0, DISTINCT);
  const rest = communities.slice(DISTINCT);
  const entries = own.map(({ id, size }) => [swatch(id), `Group ${id + 1}`, size, (c) => c === id]);
  if (rest.length) {
    const size = rest.reduce((sum, community) => sum + community.size, 0);
    entries.push([swatch(DISTINCT), plural(rest.length, "smaller group"), size, (c) => c >= DISTINCT]);
  }
  put(
    place,
    entries.map(([mark, label, size, belongs]) =>
      h("li", {}, button(place, [mark, `${label} `, h("span", { class: "quiet" }, size)], belongs, only)),
    ),
    h("li", { class: "seed-key" }, h("span", { class: "ring", "aria-hidden": "true" }), "Seed"),
    h("li", { class: "seed-key" }, line(false), "Edge of the graph"),
    h("li", { class: "seed-key" }, line(true), "Alike only"),
  );
}

function line(dashed) {
  const look = { class: "line", viewBox: "0 0 24 12", "aria-hidden": "true" };
  return svg("svg", look, svg("path", { d: "M1 6h22", "stroke-dasharray": dashed ? "4 3" : null }));
}

function button(place, content, belongs, only) {
  const toggle = (event) => {
    const pressed = event.currentTarget.getAttribute("aria-pressed") === "true";
    for (const other of place.querySelectorAll("button")) other.setAttribute("aria-pressed", "false");
    event.currentTarget.setAttribute("aria-pressed", String(!pressed));
    only(pressed ? null : belongs);
  };
  return h("button", { type: "button", "aria-pressed": "false", onclick: toggle }, content);
}
