/** A name on the map: what is like it, and the ways on to its passages and its community. */

import { format } from "../address.js";
import { h } from "../dom.js";
import { score } from "../words.js";

const BY = {
  graph: "By the graph: what is named with the same names.",
  text: "By text: what passages of like vectors name.",
};

/**
 * @param {Object} alike the answer about an entity.
 * @param {{hasCommunities: boolean, filters: Object[], name: (key: string) => string}} options
 */
export function nameCard({ of, by, items }, { hasCommunities, filters, name }) {
  const ways = [
    h("a", { href: format("passages", { question: of, mode: "multihop", size: 5, filters }) }, "Its passages"),
    hasCommunities ? h("a", { href: format("communities", { seeds: [of], method: "fused", size: 50 }) }, "Its community") : null,
  ];
  return [
    h("p", { class: "actions" }, ways.filter(Boolean)),
    h("p", { class: "quiet" }, BY[by]),
    h(
      "ol",
      { class: "theme-ranked" },
      items.map((like) => h("li", {}, h("a", { href: name(like.id) }, like.name), h("span", { class: "quiet" }, ` ${score(like.score)}`))),
    ),
  ];
}
