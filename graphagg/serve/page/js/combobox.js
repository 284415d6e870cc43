/**
 * Type-ahead for vertices: an ARIA combobox with a list of options.
 *
 * Arrows move, Escape closes the list. Enter takes the active option, else the vertex of exactly
 * what was typed, else the only one that begins like it, else what was typed. Asks 120 ms after the
 * last key and drops the answer to a prefix that is no longer there.
 */

import { isAbort } from "./api.js";
import { h, put, show } from "./dom.js";
import { plural } from "./words.js";

const PATIENCE = 120;
const SHOWN = 12;

export class Combobox {
  #input;
  #list;
  #status;
  #source;
  #take;
  #options = [];
  #active = -1;
  #timer = 0;
  #asked = null;

  /**
   * @param {HTMLInputElement} input
   * @param {Object} options
   * @param {(prefix: string, limit: number, signal: AbortSignal) => Promise<Object>} options.source
   *   gives `{vertices: [{id, degree}], more}`.
   * @param {(vertex: string) => void} options.take what to do with the vertex that is chosen.
   * @param {string} options.label what the list holds.
   */
  constructor(input, { source, take, label }) {
    this.#input = input;
    this.#source = source;
    this.#take = take;
    const id = `${input.id}-list`;
    this.#list = h("ul", { id, role: "listbox", "aria-label": label, class: "options" });
    this.#status = h("p", { class: "options-note", role: "status" });
    const box = h("div", { class: "options-box", hidden: true }, this.#list, this.#status);
    input.after(box);
    for (const [name, value] of Object.entries({
      role: "combobox",
      "aria-autocomplete": "list",
      "aria-expanded": "false",
      "aria-controls": id,
    })) {
      input.setAttribute(name, value);
    }
    input.addEventListener("input", () => this.#later());
    input.addEventListener("keydown", (event) => this.#key(event));
    input.addEventListener("blur", () => this.close());
    // The input keeps the focus while an option is clicked or the list is scrolled.
    box.addEventListener("mousedown", (event) => event.preventDefault());
  }

  /** Closes the list and forgets what was asked. */
  close() {
    clearTimeout(this.#timer);
    this.#asked?.abort();
    this.#options = [];
    this.#active = -1;
    put(this.#list);
    show(this.#list.parentElement, false);
    this.#input.setAttribute("aria-expanded", "false");
    this.#input.removeAttribute("aria-activedescendant");
  }

  #later() {
    clearTimeout(this.#timer);
    this.#asked?.abort();
    if (!this.#input.value.trim()) return this.close();
    this.#timer = setTimeout(() => this.#ask(), PATIENCE);
  }

  async #ask() {
    const prefix = this.#input.value.trim();
    const asked = new AbortController();
    this.#asked = asked;
    try {
      const { vertices, more } = await this.#source(prefix, SHOWN, asked.signal);
      if (!asked.signal.aborted) this.#open(vertices, more, prefix);
    } catch (error) {
      if (!isAbort(error)) this.#say(error.message);
    }
  }

  #open(vertices, more, prefix) {
    this.#options = vertices.map(({ id }) => String(id));
    this.#active = -1;
    this.#input.removeAttribute("aria-activedescendant");
    put(this.#list, vertices.map((vertex, i) => this.#option(vertex, i)));
    if (!vertices.length) this.#say(`No vertex begins with “${prefix}”.`);
    else this.#say(more ? "More begin like this; keep typing." : "");
  }

  #option({ id, degree }, i) {
    return h(
      "li",
      {
        id: `${this.#list.id}-${i}`,
        role: "option",
        "aria-selected": "false",
        onclick: () => this.#choose(String(id)),
      },
      h("span", { class: "id" }, String(id)),
      h("span", { class: "quiet" }, plural(degree, "link")),
    );
  }

  #say(text) {
    this.#status.textContent = text;
    show(this.#status, Boolean(text));
    show(this.#list.parentElement, true);
    this.#input.setAttribute("aria-expanded", String(this.#options.length > 0));
  }

  #choose(vertex) {
    this.#input.value = "";
    this.close();
    this.#take(vertex);
  }

  #key(event) {
    if (event.isComposing) return;
    const act = {
      ArrowDown: () => this.#move(1),
      ArrowUp: () => this.#move(-1),
      Enter: () => this.#enter(),
      Escape: () => this.close(),
    }[event.key];
    if (!act) return;
    if (event.key === "Escape" && this.#list.parentElement.hidden) return;
    event.preventDefault();
    act();
  }

  async #enter() {
    const typed = this.#input.value.trim();
    if (!typed) return;
    const vertex = this.#options[this.#active] ?? (await this.#completed(typed));
    if (vertex !== null && this.#input.value.trim() === typed) this.#choose(vertex);
  }

  /** What a prefix stands for: itself where several vertices begin like it, or none does. */
  async #completed(prefix) {
    clearTimeout(this.#timer);
    this.#asked?.abort();
    const asked = new AbortController();
    this.#asked = asked;
    try {
      const { vertices, more } = await this.#source(prefix, 2, asked.signal);
      const ids = vertices.map(({ id }) => String(id));
      return ids.length === 1 && !more ? ids[0] : prefix;
    } catch (error) {
      return isAbort(error) ? null : prefix;
    }
  }

  #move(step) {
    if (!this.#options.length) return void this.#ask();
    const n = this.#options.length;
    this.#active = (this.#active + step + n + (this.#active < 0 && step < 0 ? 1 : 0)) % n;
    const items = [...this.#list.children];
    items.forEach((item, i) => item.setAttribute("aria-selected", String(i === this.#active)));
    items[this.#active].scrollIntoView({ block: "nearest" });
    this.#input.setAttribute("aria-activedescendant", items[this.#active].id);
  }
}
