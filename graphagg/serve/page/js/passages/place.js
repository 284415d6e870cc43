/** Where a passage stands: its file, page and heading, linked to the file or to its passages. */

import * as api from "../api.js";
import { format } from "../address.js";
import { h, toast } from "../dom.js";
import { storedToken } from "../token.js";

/** Keys of metadata that the place or a path shows, or that follow from it. */
export const PLACE_KEYS = ["path", "page", "heading", "folder", "suffix", "links", "anchors", "anchor", "marks"];
const ADDRESSES = ["url", "source"];
const TRAIL = " > ";

/** The document's title, and the headings between it and the sentence, outermost first. */
function trailOf(hit) {
  const [title = "", ...inside] = (hit.title || hit.id).split(TRAIL);
  const heading = hit.metadata?.heading;
  const headings = Array.isArray(heading) && heading.length ? heading.map(String) : inside;
  return { title, headings: headings.filter((each) => each !== title) };
}

/** The heading that the match stands under; its document's title where there is none. */
export function sectionOf(hit) {
  const { title, headings } = trailOf(hit);
  return headings.at(-1) ?? title;
}

/** What a passage is called: its document, then the section of the match. */
export function titleOf(hit) {
  const { title, headings } = trailOf(hit);
  return headings.length ? [title, h("span", { class: "section" }, headings.at(-1))] : [title];
}

/**
 * @param {Object} hit with its metadata and, of a chunk, `document` and `position`.
 * @param {Object} state of the view, which a link narrows to the file.
 * @returns {HTMLElement|null} null where nothing is known.
 */
export function place(hit, state) {
  const { path, page } = hit.metadata ?? {};
  const above = trailOf(hit).headings.slice(0, -1);
  const file = typeof path === "string" && path ? path : hit.document;
  const parts = [
    file ? linked(file, typeof path === "string" ? path : null, hit.metadata ?? {}, state) : null,
    Number.isInteger(page) ? h("span", {}, `page ${page}`) : null,
    above.length ? h("span", { class: "trail" }, above.join(" › ")) : null,
  ].filter((part) => part !== null);
  return parts.length ? h("p", { class: "place", "aria-label": "Source of the passage" }, parts) : null;
}

function linked(file, path, metadata, state) {
  const address = addressOf(metadata);
  if (address) return h("a", { href: address, rel: "noreferrer", target: "_blank" }, file);
  const kept = path === null ? null : api.fileAddress(path);
  if (kept) return h("a", { href: `${kept}${page(metadata)}`, target: "_blank", rel: "noreferrer", class: "file", onclick: (event) => open(event, path) }, file);
  const narrowed = state.filters.some(({ key, operator }) => key === "path" && operator === "eq");
  if (path === null || narrowed) return h("span", {}, file);
  const filters = [...state.filters, { key: "path", operator: "eq", value: path }];
  const href = format("passages", { ...state, filters });
  return h("a", { href, title: "Only passages of this file" }, file);
}

function page(metadata) {
  return Number.isInteger(metadata.page) ? `#page=${metadata.page}` : "";
}

/** Where a token is wanted, a plain link would come without it. */
async function open(event, path) {
  if (!storedToken()) return;
  event.preventDefault();
  const tab = globalThis.open("about:blank", "_blank");
  try {
    tab.location = await api.file(path);
  } catch (error) {
    tab?.close();
    toast(error.message);
  }
}

/** The file's own address on the web, at the page, if the metadata names one. */
function addressOf({ page, ...metadata }) {
  const given = ADDRESSES.map((key) => metadata[key]).find((text) => /^https?:\/\//i.test(text ?? ""));
  if (!given || !URL.canParse(given)) return null;
  return Number.isInteger(page) && !given.includes("#") ? `${given}#page=${page}` : given;
}
