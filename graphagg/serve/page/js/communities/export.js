/** A community as CSV, as GraphML and as a picture in SVG. */

import { reasonInWords } from "./members.js";
import { color } from "./palette.js";
import { drawnTies } from "./ties.js";

/**
 * The members as a table. Ids stand as they are in the graph, so that the table joins with other
 * data; a spreadsheet may take one that begins with "=" for a formula.
 */
export function toCsv(members, communityOf) {
  const parts = [...new Set(members.flatMap(({ scores }) => Object.keys(scores ?? {})))];
  const head = ["rank", "id", "score", ...parts, "sub_community", "reason"];
  const rows = members.map((member, i) => [
    i + 1,
    member.id,
    member.score,
    ...parts.map((part) => member.scores?.[part] ?? ""),
    communityOf(member.id) ?? "",
    reasonInWords(member.reason),
  ]);
  return [head, ...rows].map((row) => row.map(csvCell).join(",")).join("\r\n") + "\r\n";
}

function csvCell(value) {
  const text = String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

const KEYS = [
  ["seed", "node", "boolean"],
  ["community", "node", "int"],
  ["score", "node", "double"],
  ["weight", "edge", "double"],
  ["in_graph", "edge", "boolean"],
];

/** The structure as GraphML; a node's id is the vertex. */
export function toGraphml({ vertices, edges }) {
  const lines = [
    '<?xml version="1.0" encoding="UTF-8"?>',
    '<graphml xmlns="http://graphml.graphdrawing.org/xmlns">',
    ...KEYS.map(
      ([key, owner, type]) =>
        `<key id="${key}" for="${owner}" attr.name="${key}" attr.type="${type}"/>`,
    ),
    '<graph edgedefault="undirected">',
  ];
  for (const { id, seed, community, score } of vertices) {
    const data = [["seed", seed], ["community", community], ["score", score]];
    lines.push(`<node id="${xml(id)}">${data.map(xmlData).join("")}</node>`);
  }
  for (const { source, target, weight, in_graph: joined } of edges) {
    const ends = `source="${xml(source)}" target="${xml(target)}"`;
    lines.push(`<edge ${ends}>${xmlData(["weight", weight])}${xmlData(["in_graph", joined])}</edge>`);
  }
  lines.push("</graph>", "</graphml>", "");
  return lines.join("\n");
}

function xmlData([key, value]) {
  return value === null || value === undefined ? "" : `<data key="${key}">${xml(value)}</data>`;
}

const NAMES = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&apos;" };

/** Text as XML; what XML 1.0 cannot hold becomes U+FFFD. */
function xml(value) {
  return String(value)
    .replace(/[&<>"']/g, (character) => NAMES[character])
    .replace(/[\t\n\r]/g, (character) => `&#${character.codePointAt(0)};`)
    .replace(/[^\t\n\r\u{20}-\u{D7FF}\u{E000}-\u{FFFD}\u{10000}-\u{10FFFF}]/gu, "\uFFFD");
}

const SIDE = 1000;

/** The picture: vertices where they are drawn, edges of the graph in full, similar ones dashed. */
export function toSvg({ vertices, edges }) {
  const at = ({ x, y }) => [(x + 1.1) * (SIDE / 2.2), (y + 1.1) * (SIDE / 2.2)].map((value) => value.toFixed(1));
  const places = new Map(vertices.map((vertex) => [vertex.id, at(vertex)]));
  const lines = drawnTies(edges, vertices).map(({ source, target, weight, in_graph: joined }) => {
    const [[x1, y1], [x2, y2]] = [places.get(source), places.get(target)];
    const dash = joined === false ? ' stroke-dasharray="6 5"' : "";
    return `<line x1="${x1}" y1="${y1}" x2="${x2}" y2="${y2}" stroke="#a9b0bc" stroke-width="${(1 + 4 * weight).toFixed(1)}"${dash}/>`;
  });
  const dots = vertices.map((vertex) => {
    const [x, y] = places.get(vertex.id);
    const ring = vertex.seed ? ' stroke="#1c2230" stroke-width="3"' : "";
    return `<circle cx="${x}" cy="${y}" r="${vertex.seed ? 11 : 8}" fill="${color(vertex.community)}"${ring}/><text x="${x}" y="${Number(y) + 22}" text-anchor="middle">${xml(vertex.id)}</text>`;
  });
  const head = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${SIDE} ${SIDE}" font-family="sans-serif" font-size="12">`;
  return [head, '<rect width="100%" height="100%" fill="#fff"/>', ...lines, ...dots, "</svg>", ""].join("\n");
}
