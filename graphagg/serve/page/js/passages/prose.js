/** A text by its parts: headings, paragraphs, lists, tables and code, each with its marks. */

import { h } from "../dom.js";

const HEADING = /^(#{1,6})\s+(?=\S)/;
const ITEM = /^\s*(?:[-*+•]|(\d{1,3})[.)])\s+(?=\S)/;
const FENCE = /^\s*(```|~~~)/;
const CODE = /^\t/; // of a document: lines of code begin with a tab
const INLINE = /`([^`\n]+)`|\*\*([^*\n]+)\*\*|!?\[([^\]\n]*)\]\([^)\s]*\)/g;
const RULE = /^\s*\|?[\s:|-]*-[\s:|-]*\|?\s*$/;

/**
 * @param {string} text
 * @param {(start: number, end: number) => Node[]} plain the piece of the text between two offsets.
 * @returns {Node[]}
 */
export function prose(text, plain) {
  const marked = (start, end) => inline(text, start, end, plain);
  const lines = linesOf(text);
  const blocks = [];
  let at = 0;
  while (at < lines.length) {
    const line = lines[at];
    if (!line.text.trim()) at += 1;
    else if (FENCE.test(line.text)) at = code(lines, at, blocks, plain);
    else if (CODE.test(line.text)) at = indented(lines, at, blocks, plain);
    else if (HEADING.test(line.text)) {
      const skip = line.text.match(HEADING)[0].length;
      blocks.push(h("h3", {}, marked(line.start + skip, line.end)));
      at += 1;
    } else if (ITEM.test(line.text)) at = list(lines, at, blocks, marked);
    else if (isRow(line)) at = table(lines, at, blocks, marked);
    else at = paragraph(lines, at, blocks, marked);
  }
  return blocks;
}

/** The piece of a text, its code and strong words as such, and of a link its label alone. */
function inline(text, start, end, plain) {
  const nodes = [];
  let at = start;
  for (const match of text.slice(start, end).matchAll(INLINE)) {
    const [code, strong, label] = match.slice(1);
    const inner = code ?? strong ?? label;
    const from = start + match.index + match[0].indexOf(inner, code ? 1 : strong ? 2 : match[0].indexOf("[") + 1);
    if (start + match.index > at) nodes.push(...plain(at, start + match.index));
    const shown = inner ? plain(from, from + inner.length) : [];
    nodes.push(...(code ? [h("code", {}, shown)] : strong ? [h("strong", {}, shown)] : shown));
    at = start + match.index + match[0].length;
  }
  return at < end ? [...nodes, ...plain(at, end)] : nodes;
}

function linesOf(text) {
  let start = 0;
  return text.split("\n").map((line) => {
    const found = { text: line, start, end: start + line.length };
    start += line.length + 1;
    return found;
  });
}

function code(lines, at, blocks, plain) {
  let end = at + 1;
  while (end < lines.length && !FENCE.test(lines[end].text)) end += 1;
  const inner = lines.slice(at + 1, end);
  if (inner.length) blocks.push(h("pre", { tabindex: "0" }, h("code", {}, plain(inner[0].start, inner.at(-1).end))));
  return end + 1;
}

function indented(lines, at, blocks, plain) {
  let end = at + 1;
  while (end < lines.length && CODE.test(lines[end].text)) end += 1;
  const inner = lines.slice(at, end).flatMap((line, i) => [i ? "\n" : "", ...plain(line.start + 1, line.end)]);
  blocks.push(h("pre", { tabindex: "0" }, h("code", {}, inner)));
  return end;
}

function list(lines, at, blocks, marked) {
  const ordered = Boolean(lines[at].text.match(ITEM)[1]);
  const items = [];
  while (at < lines.length && ITEM.test(lines[at].text) && !CODE.test(lines[at].text) && Boolean(lines[at].text.match(ITEM)[1]) === ordered) {
    const start = lines[at].start + lines[at].text.match(ITEM)[0].length;
    let end = at + 1;
    while (end < lines.length && /^\s+\S/.test(lines[end].text) && !CODE.test(lines[end].text) && !ITEM.test(lines[end].text)) end += 1;
    items.push(h("li", {}, marked(start, lines[end - 1].end)));
    at = end;
  }
  const first = ordered ? Number(lines[at - items.length]?.text.match(ITEM)?.[1] ?? 1) : null;
  blocks.push(h(ordered ? "ol" : "ul", { start: first !== 1 ? first : null }, items));
  return at;
}

/** Whether a line is a row of a table. */
function isRow(line) {
  return line.text.trim().startsWith("|") && cellsOf(line).length > 1;
}

/** The cells of a line as offsets. */
function cellsOf(line) {
  if (!line || !line.text.includes("|")) return [];
  const cells = [];
  let start = 0;
  for (const part of line.text.split("|")) {
    const lead = part.length - part.trimStart().length;
    cells.push({ start: line.start + start + lead, end: line.start + start + Math.max(lead, part.trimEnd().length) });
    start += part.length + 1;
  }
  const trimmed = line.text.trim();
  return cells.slice(trimmed.startsWith("|") ? 1 : 0, trimmed.endsWith("|") ? -1 : undefined);
}

function table(lines, at, blocks, marked) {
  const rows = [];
  let head = false;
  while (at < lines.length && isRow(lines[at])) {
    if (RULE.test(lines[at].text)) head = head || rows.length === 1;
    else rows.push(cellsOf(lines[at]));
    at += 1;
  }
  const row = (cells, tag) => h("tr", {}, cells.map(({ start, end }) => h(tag, tag === "th" ? { scope: "col" } : {}, marked(start, end))));
  blocks.push(
    h(
      "div",
      { class: "table", tabindex: "0", role: "group", "aria-label": "Table" },
      h("table", {}, head ? h("thead", {}, row(rows[0], "th")) : null, h("tbody", {}, rows.slice(head ? 1 : 0).map((cells) => row(cells, "td")))),
    ),
  );
  return at;
}

function paragraph(lines, at, blocks, marked) {
  const start = lines[at].start;
  let end = at + 1;
  const begins = (line) => !line.text.trim() || [FENCE, CODE, HEADING, ITEM].some((kind) => kind.test(line.text)) || isRow(line);
  while (end < lines.length && !begins(lines[end])) end += 1;
  blocks.push(h("p", {}, marked(start, lines[end - 1].end)));
  return end;
}
