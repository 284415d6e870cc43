/** A community as CSV and as GraphML. */

import { reasonInWords } from "./members.js";

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
  for (const { source, target, weight } of edges) {
    const ends = `source="${xml(source)}" target="${xml(target)}"`;
    lines.push(`<edge ${ends}>${xmlData(["weight", weight])}</edge>`);
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
