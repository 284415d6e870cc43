/** The themes as a picture: areas by passages. */

import { put, svg } from "../dom.js";
import { plural } from "../words.js";

/** Strengths of the accent color. */
const TINTS = 4;

/**
 * @param {HTMLElement} place
 * @param {Object[]} cells each with `id`, `label` and `size`.
 * @param {?Object<string, number>} lit number of passages of a question, by id.
 * @param {(id: string) => void} go is called with the id of the cell that is chosen.
 */
export function drawTreemap(place, cells, lit, go) {
  const width = place.clientWidth || 1000; // 0 where another tab is open by now
  const height = width < 600 ? width * 1.3 : width * 0.46;
  const boxes = squarified([...cells].filter(({ size }) => size > 0).sort((a, b) => b.size - a.size), 0, 0, width, height);
  const drawn = boxes.map((box, i) => draw(box, i % TINTS, lit, go));
  put(place, svg("svg", { viewBox: `0 0 ${width} ${height}` }, drawn));
}

function draw({ cell, x, y, w, h }, tint, lit, go) {
  const hits = lit?.[cell.id] ?? 0;
  const size = hits && w > 170 ? `${cell.size} · ${hits} of the question` : String(cell.size);
  const lines = fitted(cell.label, Math.floor((w - 16) / 8), Math.floor((h - 8) / 17));
  if (lines.length && w > 40 && lines.length < Math.floor((h - 8) / 17)) lines.push(null);
  const look = ["cell", lit ? (hits ? "lit" : "away") : ""].filter(Boolean).join(" ");
  const text = `${cell.label}: ${plural(cell.size, "passage")}${hits ? `, ${hits} of the question` : ""}`;
  return svg(
    "g",
    { class: look, onclick: () => go(cell.id) },
    svg("title", {}, text),
    svg("rect", { class: `tint-${tint}`, x, y, width: Math.max(w, 0), height: Math.max(h, 0) }),
    lines.map((line, row) => svg("text", { class: line === null ? "size" : null, x: x + 8, y: y + 20 + 17 * row }, line ?? size)),
  );
}

/** The words of a label that fit into lines of some characters; if none does, the beginning of the first. */
function fitted(label, room, most) {
  const lines = [];
  for (const word of label.split(" ")) {
    if (word.length > room) continue;
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + word.length <= room) lines[lines.length - 1] = `${last} ${word}`;
    else if (lines.length < most) lines.push(word);
    else break;
  }
  if (!lines.length && room > 4 && most) return [`${label.slice(0, room - 1)}…`];
  if (lines.length) lines[lines.length - 1] = lines.at(-1).replace(/,$/, "");
  return lines;
}

/** Rows of boxes that are as square as can be, the largest first (Bruls, Huizing, van Wijk 2000). */
function squarified(cells, x, y, w, h) {
  const boxes = [];
  let rest = [...cells];
  while (rest.length) {
    const total = rest.reduce((sum, { size }) => sum + size, 0);
    const short = Math.min(w, h);
    const scale = (w * h) / total;
    let row = [rest[0]];
    while (row.length < rest.length && worst([...row, rest[row.length]], short, scale) <= worst(row, short, scale)) {
      row = rest.slice(0, row.length + 1);
    }
    const depth = (row.reduce((sum, { size }) => sum + size, 0) * scale) / short;
    let along = 0;
    for (const cell of row) {
      const length = (cell.size * scale) / depth;
      boxes.push(w >= h ? { cell, x, y: y + along, w: depth, h: length } : { cell, x: x + along, y, w: length, h: depth });
      along += length;
    }
    if (w >= h) [x, w] = [x + depth, w - depth];
    else [y, h] = [y + depth, h - depth];
    rest = rest.slice(row.length);
  }
  return boxes;
}

function worst(row, short, scale) {
  const areas = row.map(({ size }) => size * scale);
  const sum = areas.reduce((a, b) => a + b, 0);
  return Math.max((short ** 2 * Math.max(...areas)) / sum ** 2, sum ** 2 / (short ** 2 * Math.min(...areas)));
}
