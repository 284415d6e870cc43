/** The form: seeds as chips with type-ahead, the method, how many members. */

import * as api from "../api.js";
import { Combobox } from "../combobox.js";
import { byId, h, put, toast } from "../dom.js";
import { plural, spaced } from "../words.js";

const METHODS = {
  fused: "Fused (default)",
  pagerank: "PageRank",
  minhash: "MinHash",
  jaccard: "Jaccard",
};

/** The default first; the rest as the service names them. */
function ordered(methods) {
  return [...methods].sort((a, b) => (b === "fused") - (a === "fused"));
}

export class SeedForm {
  #state;
  #change;
  #limits;

  /**
   * @param {{methods: string[], limits: {seeds: number, members: number}}} has
   * @param {(state: Object) => void} change takes what the person wants now.
   */
  constructor({ methods, limits }, change) {
    this.#change = change;
    this.#limits = limits;
    put(byId("method"), ordered(methods).map((method) => h("option", { value: method }, METHODS[method] ?? spaced(method))));
    byId("size").max = limits.members;
    this.#listen();
    new Combobox(byId("seed-input"), {
      source: api.vertices,
      take: (vertex) => this.add([vertex]),
      label: "Vertices",
    });
  }

  /** Shows a state. */
  show(state) {
    this.#state = state;
    byId("method").value = state.method;
    byId("size").value = state.size;
    put(byId("chips"), state.seeds.map((seed) => this.#chip(seed)));
    byId("seed-input").placeholder = state.seeds.length ? "Add another" : "Type the beginning of an id";
  }

  /** Adds seeds, up to the service's limit. */
  add(vertices) {
    const seeds = [...new Set([...this.#state.seeds, ...vertices])];
    const most = this.#limits.seeds;
    if (seeds.length > most) {
      toast(`A community starts from ${plural(most, "seed")} at most; the others were left out.`);
    } else if (seeds.length === this.#state.seeds.length) {
      toast(`${vertices[0]} is a seed already.`);
    }
    this.#change({ ...this.#state, seeds: seeds.slice(0, most) });
  }

  drop(vertex) {
    this.#change({ ...this.#state, seeds: this.#state.seeds.filter((seed) => seed !== vertex) });
  }

  only(vertex) {
    this.#change({ ...this.#state, seeds: [vertex] });
  }

  #listen() {
    const input = byId("seed-input");
    byId("seed-form").addEventListener("submit", (event) => event.preventDefault());
    byId("seed-combo").addEventListener("click", (event) => {
      if (event.target === event.currentTarget) input.focus();
    });
    input.addEventListener("keydown", (event) => {
      if (event.key === "Backspace" && !input.value && this.#state.seeds.length) {
        this.drop(this.#state.seeds.at(-1));
      }
    });
    input.addEventListener("paste", (event) => this.#paste(event));
    byId("method").addEventListener("change", (event) => {
      this.#change({ ...this.#state, method: event.target.value });
    });
    byId("size").addEventListener("change", (event) => this.#resize(event.target));
    byId("size").addEventListener("keydown", (event) => {
      if (event.key === "Enter") this.#resize(event.target);
    });
  }

  #resize(input) {
    const wanted = Math.round(Number(input.value));
    const size = Math.max(1, Math.min(this.#limits.members, wanted || this.#state.size));
    if (wanted !== size) toast(`Between 1 and ${this.#limits.members} members can be shown.`);
    input.value = size;
    if (size !== this.#state.size) this.#change({ ...this.#state, size });
  }

  /** A column of a table, pasted, is one seed a line. */
  #paste(event) {
    const lines = event.clipboardData.getData("text").split(/[\r\n\t]+/);
    const vertices = lines.map((line) => line.trim()).filter(Boolean);
    if (vertices.length < 2) return;
    event.preventDefault();
    this.add(vertices);
  }

  #chip(seed) {
    const remove = () => {
      this.drop(seed);
      byId("seed-input").focus();
    };
    const button = h("button", { type: "button", "aria-label": `Remove ${seed}`, onclick: remove }, "×");
    return h("li", {}, h("span", { class: "id" }, seed), button);
  }
}
