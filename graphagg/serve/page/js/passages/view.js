/** The view of passages: a question in, ranked passages and how they were reached out. */

import * as api from "../api.js";
import { busy } from "../busy.js";
import { announce, byId, h, put, show, toast } from "../dom.js";
import { errorNotice, notice } from "../notice.js";
import { copy } from "../save.js";
import { same } from "../undo.js";
import { count, duration, plural, spaced } from "../words.js";
import { ask } from "./answer.js";
import { showFacets } from "./facets.js";
import { Filters, toFilter } from "./filters.js";
import { hitElement, showHits } from "./hits.js";
import { drawMap } from "./map.js";
import { places, stems } from "./question.js";
import { chain } from "./path.js";
import { inWords } from "./words.js";

const MODES = { multihop: "Multi-hop", linearrag: "LinearRAG (as published)", dense: "Vectors only", bm25: "Words only" };

/** What an empty page shows: how an answer is reached. */
function introduction() {
  const path = [
    { kind: "question_entity", label: "a name in it" },
    { kind: "sentence", label: "a sentence that has to do with the question" },
    { kind: "entity", label: "whom or what it speaks of" },
    { kind: "passage", label: "the passage about that" },
  ];
  return h(
    "div",
    { class: "notice" },
    h("p", { class: "notice-title" }, "How an answer is reached"),
    chain(path),
  );
}

/**
 * What speaks against the passages, as lines: the service's confidence where it has one, or that
 * a name or most words of the question stand in none of them.
 */
function doubt(question, hits, confidence) {
  const wanted = stems(question);
  const missing = [...wanted].filter((stem) => !hits.some(({ text, title }) => places(`${title} ${text}`, new Set([stem])).length));
  const words = (question.match(/[\p{L}\p{N}]+/gu) ?? []).filter((word) => missing.some((stem) => word.toLowerCase().startsWith(stem)));
  const named = words.some((word) => /\p{N}|^\p{Lu}/u.test(word) && !question.trimStart().startsWith(word));
  const isWeak = typeof confidence === "number" ? confidence < 0.1 : named || missing.length > wanted.size / 2;
  if (!isWeak) return null;
  return ["Nothing here seems to answer this.", words.length ? `No passage below holds: ${[...new Set(words)].join(", ")}.` : "The passages below are the closest there are."];
}

export class PassagesView {
  #navigate;
  #types;
  #limits;
  #filters;
  #state = null;
  #asked = null;
  #values = {};
  #words = false;
  #mayDelete = false;

  /**
   * @param {Object} info what the service has.
   * @param {(state: Object) => void} navigate makes a state the address and shows it.
   */
  constructor(info, navigate) {
    this.#navigate = navigate;
    this.#limits = info.limits;
    const { counts, modes, metadata, values = {} } = info.passages;
    this.#types = metadata;
    byId("passages-lead").textContent =
      `${plural(counts.passages, "passage")}${counts.entities ? ` and ${plural(counts.entities, "name")} that tie them together` : ""}. ` +
      "Questions that need several passages are what this is made for.";
    put(byId("mode"), modes.map((mode) => h("option", { value: mode }, MODES[mode] ?? spaced(mode))));
    byId("question").maxLength = info.limits.question_characters;
    byId("top-k").max = info.limits.hits;
    this.#values = { ...values };
    this.#words = Boolean(info.answers_in_words);
    this.#mayDelete = Boolean(info.collection && info.may_write);
    this.#filters = new Filters(byId("filters"), metadata, this.#values, () => this.#again());
    this.#listen();
  }

  /** Shows a state: what it says is asked for, unless it is what is shown. */
  apply(state) {
    if (this.#state && same(state, this.#state)) return;
    this.#state = state;
    byId("question").value = state.question;
    byId("mode").value = state.mode;
    byId("top-k").value = state.size;
    this.#filters.show(state.filters);
    this.#ask();
  }

  #wanted() {
    const wanted = Math.round(Number(byId("top-k").value));
    return {
      question: byId("question").value.trim(),
      mode: byId("mode").value,
      size: Math.max(1, Math.min(this.#limits.hits, wanted || this.#state.size)),
      page: 1,
      filters: this.#filters.rows,
    };
  }

  #again() {
    const wanted = this.#wanted();
    if (wanted.question) this.#navigate(wanted);
  }

  async #ask() {
    this.#asked?.abort();
    const asked = new AbortController();
    this.#asked = asked;
    const { question, mode, size, page, filters } = this.#state;
    byId("copy-question-link").disabled = !question;
    if (!question) {
      show(byId("passage-result"), false);
      return put(byId("passage-notice"), introduction());
    }
    try {
      const filter = toFilter(filters, this.#types);
      const offset = (page - 1) * size;
      const request = { question, mode, k: Math.min(size, this.#limits.hits - offset), offset, filter };
      show(byId("words"), false);
      const answer = await busy(ask(request, asked.signal), "The first question loads the models; this takes a moment.");
      this.#show(answer, offset);
      this.#count(filter, asked.signal);
      if (this.#words && page === 1 && answer.hits.length) inWords({ question, mode, k: size, filter }, answer.hits, asked.signal);
    } catch (error) {
      if (api.isAbort(error)) return;
      show(byId("passage-result"), false);
      this.#fail(error);
    }
  }

  #fail(error) {
    const place = byId("passage-notice");
    if (error instanceof RangeError) return notice(place, { title: "The filter does not fit", text: error.message, alert: true });
    errorNotice(place, error, () => this.#ask());
  }

  #show({ hits, latency_ms: took, confidence = null }, offset) {
    const place = byId("passage-notice");
    show(byId("passage-result"), hits.length > 0);
    if (!hits.length) return this.#nothing(place, offset);
    const which = offset ? `Passages ${offset + 1} to ${offset + hits.length}` : plural(hits.length, "passage");
    const sure = typeof confidence === "number" ? ` Confidence ${Math.round(100 * confidence)} %.` : "";
    const text = `${which} in ${duration(took)}, best first.${sure}`;
    const weak = offset ? null : doubt(this.#state.question, hits, confidence);
    put(place, weak ? h("div", { class: "weak", role: "note" }, weak.map((line, i) => h("p", { class: i ? null : "notice-title" }, line))) : null, h("p", { class: "quiet", id: "hits-about" }, text));
    announce(weak ? `${weak[0]} ${text}` : text);
    showHits(byId("hits"), hits, this.#state, { first: offset + 1, remove: this.#mayDelete ? (hit) => this.#delete(hit) : null });
    this.#pages(hits.length, offset);
    drawMap(byId("map"), hits, (id) => this.#jump(id));
  }

  #pages(shown, offset) {
    const { size, page } = this.#state;
    const more = shown === size && offset + size < this.#limits.hits;
    const step = (to, label) => h("button", { type: "button", onclick: () => this.#turn(to) }, label);
    show(byId("pages"), more || page > 1);
    put(
      byId("pages"),
      page > 1 ? step(page - 1, "Previous page") : null,
      h("span", { class: "quiet" }, `Page ${page}`),
      more ? step(page + 1, "Next page") : null,
    );
  }

  #turn(page) {
    this.#navigate({ ...this.#state, page });
    byId("passage-notice").scrollIntoView({ block: "start" });
  }

  /** Facets of what the filters leave; without them nothing is lost. */
  async #count(filter, signal) {
    try {
      const { keys } = await api.facets({ filter }, signal);
      for (const [key, { values }] of Object.entries(keys)) if (values) this.#values[key] = values.map(({ value }) => value);
      showFacets(byId("facets"), keys, this.#state.filters, (filters) => this.#navigate({ ...this.#state, page: 1, filters }));
    } catch (error) {
      if (!api.isAbort(error)) show(byId("facets"), false);
    }
  }

  async #delete(hit) {
    const name = hit.document ?? hit.id;
    if (!confirm(`Delete “${name}” from this collection?`)) return;
    try {
      await busy(api.remove([name]));
      toast("Deleted.");
      this.#ask();
    } catch (error) {
      errorNotice(byId("passage-notice"), error, () => this.#delete(hit));
    }
  }

  #nothing(place, offset) {
    if (offset) return notice(place, { title: "No further passages", actions: [["The first page", () => this.#turn(1)]] });
    const filtered = this.#state.filters.length > 0;
    notice(place, {
      title: "No passage found",
      text: filtered
        ? "No passage passes the filters. Remove one, or make it wider."
        : "Nothing in this corpus has to do with the question. Try other words, or name what you ask about.",
      actions: filtered ? [["Remove the filters", () => this.#navigate({ ...this.#state, filters: [] })]] : [],
    });
    announce("No passage found.");
  }

  #jump(id) {
    const element = hitElement(byId("hits"), id);
    const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    element.scrollIntoView({ block: "start", behavior: calm ? "auto" : "smooth" });
    element.querySelector("h2").focus({ preventScroll: true });
  }

  #listen() {
    byId("question-form").addEventListener("submit", (event) => {
      event.preventDefault();
      const wanted = this.#wanted();
      if (!wanted.question) {
        toast("Type a question first.");
        return byId("question").focus();
      }
      byId("top-k").value = wanted.size;
      if (same(wanted, this.#state)) this.#ask();
      else this.#navigate(wanted);
    });
    for (const id of ["mode", "top-k"]) byId(id).addEventListener("change", () => this.#again());
    byId("copy-question-link").addEventListener("click", async () => {
      toast((await copy(location.href)) ? "Link copied." : "Copy the link from the address bar.");
    });
  }
}
