/** The view of an embedding: a vertex in, the vertices with the nearest vectors out. */

import * as api from "../api.js";
import { busy } from "../busy.js";
import { Combobox } from "../combobox.js";
import { announce, byId, h, put, show } from "../dom.js";
import { errorNotice, notice } from "../notice.js";
import { same } from "../undo.js";
import { count, score } from "../words.js";

export class SimilarView {
  #navigate;
  #limits;
  #state = null;
  #asked = null;

  /**
   * @param {Object} info what the service has.
   * @param {(state: Object) => void} navigate makes a state the address and shows it.
   */
  constructor(info, navigate) {
    this.#navigate = navigate;
    this.#limits = info.limits;
    const { counts, dimension } = info.embedding;
    byId("similar-lead").textContent =
      `Each of ${count(counts.vertices)} vertices has a vector of ${dimension} numbers; vertices ` +
      "with similar neighborhoods have similar vectors.";
    byId("similar-k").max = info.limits.hits;
    const input = byId("similar-input");
    if (info.communities) {
      new Combobox(input, {
        source: api.vertices,
        take: (vertex) => {
          input.value = vertex;
          this.#go();
        },
        label: "Vertices",
      });
    }
    byId("similar-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#go();
    });
    byId("similar-k").addEventListener("change", () => this.#go());
  }

  /** Shows a state: what it says is asked for, unless it is what is shown. */
  apply(state) {
    if (this.#state && same(state, this.#state)) return;
    this.#state = state;
    byId("similar-input").value = state.vertex;
    byId("similar-k").value = state.size;
    this.#ask();
  }

  #go() {
    const wanted = Math.round(Number(byId("similar-k").value));
    const size = Math.max(1, Math.min(this.#limits.hits, wanted || this.#state.size));
    const vertex = byId("similar-input").value.trim();
    byId("similar-k").value = size;
    if (vertex) this.#navigate({ vertex, size });
  }

  async #ask() {
    this.#asked?.abort();
    const asked = new AbortController();
    this.#asked = asked;
    const place = byId("similar-notice");
    const { vertex, size } = this.#state;
    show(byId("similar-result"), false);
    if (!vertex) return put(place);
    try {
      const { neighbors } = await busy(api.similar(vertex, size, asked.signal));
      put(place);
      this.#show(neighbors);
    } catch (error) {
      if (!api.isAbort(error)) errorNotice(place, error, () => this.#ask());
    }
  }

  #show(neighbors) {
    const place = byId("similar-notice");
    if (!neighbors.length) return notice(place, { title: "No neighbors", text: "Nothing is near this vertex." });
    show(byId("similar-result"), true);
    const row = ({ id, score: value }, i) =>
      h(
        "li",
        {},
        h(
          "button",
          { type: "button", class: "open", onclick: () => this.#navigate({ ...this.#state, vertex: String(id) }) },
          h("span", { class: "rank" }, i + 1),
          h("span", { class: "id" }, String(id)),
          h("span", { class: "score" }, score(value)),
          h("span", { class: "bar", "--share": Math.max(0, value) }),
        ),
      );
    put(byId("similar-list"), neighbors.map(row));
    announce(`${neighbors.length} nearest vertices.`);
  }
}
