/** The ranked members: place, sub-community, score as a bar, and why each is here. */

import { h, put } from "../dom.js";
import { list, plural, score } from "../words.js";
import { swatch } from "./legend.js";

const SEEDS_NAMED = 3;

/** "3 neighbors shared with ada, linked to it; 1 neighbor shared with bob". */
export function reasonInWords(reasons) {
  if (!reasons?.length) return "reached through others";
  const parts = reasons.slice(0, SEEDS_NAMED).map((shared) => {
    if (shared.shared_neighbors === 0) return linkInWords(shared, shared.seed);
    return [sharedInWords(shared), linkInWords(shared)].filter(Boolean).join(", ");
  });
  const rest = reasons.length - parts.length;
  return [...parts, ...(rest > 0 ? [`and with ${plural(rest, "other seed")}`] : [])].join("; ");
}

/** How many neighbors are shared with a seed. */
export function sharedInWords({ seed, shared_neighbors: shared }) {
  return `${shared === null ? "many neighbors" : plural(shared, "neighbor")} shared with ${seed}`;
}

/** "linked to it"; nothing where there is no edge. */
export function linkInWords({ adjacent }, seed = "it") {
  return adjacent ? `linked to ${seed}` : "";
}

/** Shared neighbors by name, for the card. */
export function examplesInWords({ examples, shared_neighbors: shared }) {
  if (!examples.length) return "";
  return `${examples.length === shared ? "namely" : "for example"} ${list(examples.map(String))}`;
}

export class MemberList {
  #place;
  #pick;
  #add;

  /**
   * @param {HTMLOListElement} place
   * @param {(vertex: string, opener: HTMLElement) => void} pick opens a vertex.
   * @param {(vertex: string) => void} add makes it a seed.
   */
  constructor(place, pick, add) {
    this.#place = place;
    this.#pick = pick;
    this.#add = add;
  }

  show(members) {
    const most = Math.max(...members.map((member) => member.score), 1e-300);
    put(this.#place, members.map((member, i) => this.#row(member, i, most)));
  }

  /** Colors the rows once the structure is known. */
  paint(communityOf) {
    for (const row of this.#place.children) {
      const community = communityOf(row.dataset.vertex);
      if (community !== undefined) row.querySelector(".swatch").replaceWith(swatch(community));
    }
  }

  /** Marks the vertex that is open. */
  mark(vertex) {
    for (const row of this.#place.children) {
      row.classList.toggle("marked", row.dataset.vertex === vertex);
    }
  }

  #row(member, i, most) {
    const share = Math.max(0, Math.min(1, member.score / most));
    const opener = h(
      "button",
      { type: "button", class: "open", onclick: (event) => this.#pick(member.id, event.currentTarget) },
      h("span", { class: "rank" }, i + 1),
      h("span", { class: "swatch" }),
      h("span", { class: "id" }, member.id),
      h("span", { class: "score" }, score(member.score)),
      h("span", { class: "bar", "--share": share }),
      h("span", { class: "reason" }, reasonInWords(member.reason)),
    );
    const add = h(
      "button",
      {
        type: "button",
        class: "add",
        title: "Add as a seed",
        "aria-label": `Add ${member.id} as a seed`,
        onclick: () => this.#add(member.id),
      },
      "+",
    );
    return h("li", { "data-vertex": member.id }, opener, add);
  }
}
