/** All hop paths as one graph: what several paths pass through is drawn once. */

import { h, put, svg } from "../dom.js";
import { KINDS, START } from "./path.js";

const WIDTH = 142;
const HEIGHT = 64;
const GAP_X = 30;
const GAP_Y = 14;

/** Paths that are drawn; more would be a thicket. */
export const MOST_PATHS = 8;

/**
 * @param {HTMLElement} place
 * @param {Object[]} hits
 * @param {(id: string) => void} jump goes to a hit.
 */
export function drawMap(place, hits, jump) {
  const { nodes, ties } = merged(hits.slice(0, MOST_PATHS));
  const size = arrange(nodes, ties);
  const rank = new Map(hits.map((hit, i) => [hit.id, i + 1]));
  const canvas = svg("svg", { width: size.width, height: size.height, "aria-hidden": "true" }, ties.map(curve));
  const boxes = [...nodes.values()].map((node) => box(node, rank.get(node.id), jump));
  put(place, h("div", { class: "map-canvas", "--w": `${size.width}px`, "--h": `${size.height}px` }, canvas, boxes));
  light(place, nodes, boxes, ties, [...canvas.children]);
}

/** Nodes by key, each with the paths it lies on, and the ties between them. */
function merged(hits) {
  const nodes = new Map();
  const ties = new Map();
  hits.forEach((hit, path) => {
    let before = null;
    [START, ...hit.path].forEach((step, depth) => {
      const key = `${step.kind}\n${step.passage_id || step.text}`;
      const node = nodes.get(key) ?? {
        kind: step.kind,
        text: step.label,
        key,
        id: step.passage_id || null,
        depth: 0,
        paths: new Set(),
        before: new Set(),
      };
      nodes.set(key, node);
      node.depth = Math.max(node.depth, depth);
      node.paths.add(path);
      if (before) {
        const tie = `${before.key}\n\n${key}`;
        if (!ties.has(tie)) ties.set(tie, { from: before, to: node, paths: new Set() });
        ties.get(tie).paths.add(path);
        node.before.add(before);
      }
      before = node;
    });
  });
  return { nodes, ties: [...ties.values()] };
}

/** Columns by depth; in a column in the order of what leads there, without overlap. */
function arrange(nodes) {
  const columns = [];
  for (const node of nodes.values()) (columns[node.depth] ??= []).push(node);
  let height = 0;
  for (const [depth, column] of columns.entries()) {
    if (!column) continue;
    for (const node of column) {
      const above = [...node.before].filter((other) => other.y !== undefined).map(({ y }) => y);
      node.wish = above.length ? above.reduce((a, b) => a + b) / above.length : 0;
    }
    let free = 0;
    for (const node of column.sort((a, b) => a.wish - b.wish)) {
      node.x = depth * (WIDTH + GAP_X);
      node.y = Math.max(free, node.wish);
      free = node.y + HEIGHT + GAP_Y;
    }
    height = Math.max(height, free - GAP_Y);
  }
  // A column that fills less than the others stands in the middle.
  for (const column of columns.filter(Boolean)) {
    const last = Math.max(...column.map(({ y }) => y)) + HEIGHT;
    for (const node of column) node.y += (height - last) / 2;
  }
  return { width: columns.length * (WIDTH + GAP_X) - GAP_X, height };
}

function curve({ from, to }) {
  const [x1, y1] = [from.x + WIDTH, from.y + HEIGHT / 2];
  const [x2, y2] = [to.x, to.y + HEIGHT / 2];
  // A tie that leads back leaves and arrives in a wide bow.
  const bend = x2 > x1 ? (x2 - x1) / 2 : 90;
  return svg("path", { class: "map-tie", d: `M${x1} ${y1}C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2} ${y2}` });
}

function box({ kind, text, id, x, y }, rank, jump) {
  const content = [
    kind === "question" ? null : h("span", { class: "hop-kind" }, rank ? `Passage ${rank}` : KINDS[kind]),
    h("span", { class: "hop-text" }, text),
  ];
  const look = { class: `map-node ${kind}${rank ? " found" : ""}`, title: text, "--x": `${x}px`, "--y": `${y}px` };
  return rank
    ? h("button", { ...look, type: "button", onclick: () => jump(id) }, content)
    : h("div", look, content);
}

/** While a node is pointed at or focused, only the paths through it are in full color. */
function light(place, nodes, boxes, ties, lines) {
  const all = [...nodes.values()];
  const shared = (a, b) => [...a].some((path) => b.has(path));
  boxes.forEach((element, i) => {
    const on = () => {
      const { paths } = all[i];
      boxes.forEach((other, j) => other.classList.toggle("dim", !shared(paths, all[j].paths)));
      lines.forEach((line, j) => line.classList.toggle("dim", !shared(paths, ties[j].paths)));
    };
    const off = () => [...boxes, ...lines].forEach((part) => part.classList.remove("dim"));
    element.addEventListener("pointerenter", on);
    element.addEventListener("pointerleave", off);
    element.addEventListener("focus", on);
    element.addEventListener("blur", off);
  });
}
