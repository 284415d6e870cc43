/** The card of one vertex: why it is here, what to do with it, its neighbors, its like. */

import * as api from "../api.js";
import { format } from "../address.js";
import { h, put, show } from "../dom.js";
import { errorNotice } from "../notice.js";
import { plural, score } from "../words.js";
import { examplesInWords, linkInWords, sharedInWords } from "./members.js";

const LISTED = 30;

export class Card {
  #place;
  #acts;
  #opener = null;
  #asked = null;

  /**
   * @param {HTMLElement} place
   * @param {Object} acts
   * @param {(vertex: string, opener: HTMLElement|null) => void} acts.open opens another vertex.
   * @param {(vertex: string) => void} acts.add makes it a seed.
   * @param {(vertex: string) => void} acts.drop makes it no seed.
   * @param {(vertex: string) => void} acts.only makes it the one seed.
   * @param {(vertex: string|null) => void} acts.mark marks it elsewhere on the page.
   * @param {boolean} acts.passages whether there are passages to look for it in.
   * @param {boolean} acts.embedding whether there are vectors to look for its like.
   */
  constructor(place, acts) {
    this.#place = place;
    this.#acts = acts;
    place.addEventListener("keydown", (event) => {
      if (event.key === "Escape") this.close();
    });
  }

  /**
   * @param {string} vertex
   * @param {{seed: boolean, rank: number|null, member: Object|null}} known
   * @param {HTMLElement} opener gets the focus back.
   */
  open(vertex, known, opener) {
    this.#asked?.abort();
    this.#asked = new AbortController();
    if (opener && !this.#place.contains(opener)) this.#opener = opener;
    const title = h("h2", { id: "card-title", tabindex: "-1" }, vertex);
    const close = h("button", { type: "button", class: "close", "aria-label": "Close", onclick: () => this.close() }, "×");
    const neighbors = h("div", { class: "neighbors" });
    const like = h("div", { class: "neighbors" });
    put(
      this.#place,
      h("div", { class: "card-head" }, title, close),
      ...about(known),
      this.#buttons(vertex, known),
      neighbors,
      this.#acts.embedding ? like : null,
    );
    show(this.#place, true);
    title.focus({ preventScroll: true });
    this.#acts.mark(vertex);
    this.#neighbors(vertex, neighbors, this.#asked.signal);
    if (this.#acts.embedding) this.#like(vertex, like, this.#asked.signal);
  }

  get isOpen() {
    return !this.#place.hidden;
  }

  close() {
    if (!this.isOpen) return;
    this.#asked?.abort();
    const inside = this.#place.contains(document.activeElement);
    show(this.#place, false);
    put(this.#place);
    this.#acts.mark(null);
    if (inside && this.#opener?.isConnected) this.#opener.focus();
    this.#opener = null;
  }

  #buttons(vertex, { seed }) {
    const act = (label, run, kind = null) =>
      h("button", { type: "button", class: kind, onclick: () => { this.close(); run(vertex); } }, label);
    return h(
      "div",
      { class: "actions" },
      seed ? act("Remove seed", this.#acts.drop) : act("Add as seed", this.#acts.add, "primary"),
      act("Start from here", this.#acts.only),
      this.#acts.passages ? h("a", { href: format("passages", { question: vertex, mode: "multihop", size: 5, filters: [] }) }, "Its passages") : null,
    );
  }

  async #neighbors(vertex, place, signal) {
    try {
      const { degree, neighbors } = await api.neighbors(vertex, LISTED, signal);
      const heading = neighbors.length < degree
        ? `Neighbors: ${neighbors.length} of ${degree}, best linked first`
        : plural(degree, "neighbor");
      const rows = neighbors.map(({ id, degree: links }) => this.#row(String(id), plural(links, "link")));
      put(place, h("h3", {}, heading), h("ul", { class: "rows" }, rows));
    } catch (error) {
      if (!api.isAbort(error)) errorNotice(place, error, () => this.#neighbors(vertex, place, signal));
    }
  }

  async #like(vertex, place, signal) {
    try {
      const { neighbors } = await api.similar(vertex, 8, signal);
      const rows = neighbors.map((near) => this.#row(String(near.id), score(near.score)));
      put(place, h("h3", {}, "Similar by embedding"), h("ul", { class: "rows" }, rows));
    } catch (error) {
      if (api.isAbort(error)) return;
      const text = error.status === 404 ? "The embedding does not have this vertex." : error.message;
      put(place, h("h3", {}, "Similar by embedding"), h("p", { class: "quiet" }, text));
    }
  }

  #row(vertex, note) {
    const open = h(
      "button",
      { type: "button", class: "open", onclick: () => this.#acts.open(vertex, null) },
      h("span", { class: "id" }, vertex),
      h("span", { class: "quiet" }, note),
    );
    const add = h(
      "button",
      {
        type: "button",
        class: "add",
        title: "Add as a seed",
        "aria-label": `Add ${vertex} as a seed`,
        onclick: () => { this.close(); this.#acts.add(vertex); },
      },
      "+",
    );
    return h("li", {}, open, add);
  }
}

function about({ seed, rank, member }) {
  if (seed) return [h("p", { class: "quiet" }, "A seed: the community is searched from here.")];
  if (!member) return [h("p", { class: "quiet" }, "Not among the members shown.")];
  const reasons = member.reason.map((shared) => {
    const words = [sharedInWords(shared), examplesInWords(shared), linkInWords(shared)].filter(Boolean).join(", ");
    return h("li", {}, words.charAt(0).toUpperCase() + words.slice(1));
  });
  return [
    h("p", { class: "quiet" }, `Place ${rank}, score ${score(member.score)}`),
    reasons.length ? h("ul", { class: "reasons" }, reasons) : h("p", {}, "Reached through others."),
  ];
}
