/** The view of passages: a question in, ranked passages and how they were reached out. */

import * as api from "../api.js";
import { busy } from "../busy.js";
import { announce, byId, h, put, show, toast } from "../dom.js";
import { errorNotice, notice } from "../notice.js";
import { copy } from "../save.js";
import { same } from "../undo.js";
import { count, duration, plural, spaced } from "../words.js";
import { ask } from "./answer.js";
import { Filters, toFilter } from "./filters.js";
import { hitElement, showHits } from "./hits.js";
import { drawMap } from "./map.js";
import { chain } from "./path.js";

const MODES = { multihop: "Multi-hop", broad: "Broad: several themes", auto: "Multi-hop or broad, by the question", linearrag: "LinearRAG (as published)", dense: "Vectors only", bm25: "Words only" };

/** An answer that is less sure is said to seem none. */
const DOUBTFUL = 0.1;

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

export class PassagesView {
  #navigate;
  #types;
  #limits;
  #filters;
  #state = null;
  #asked = null;

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
      `${plural(counts.passages, "passage")} and ${count(counts.entities ?? 0)} entities that tie ` +
      "them together. Questions that need several passages are what this is made for.";
    put(byId("mode"), modes.map((mode) => h("option", { value: mode }, MODES[mode] ?? spaced(mode))));
    byId("question").maxLength = info.limits.question_characters;
    byId("top-k").max = info.limits.hits;
    byId("map-panel").open = matchMedia("(min-width: 641px)").matches;
    this.#filters = new Filters(byId("filters"), metadata, values, () => this.#again());
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
    const { question, mode, size, filters } = this.#state;
    byId("copy-question-link").disabled = !question;
    if (!question) {
      show(byId("passage-result"), false);
      return put(byId("passage-notice"), introduction());
    }
    try {
      const filter = toFilter(filters, this.#types);
      const request = { question, mode, k: size, filter };
      const answer = await busy(ask(request, asked.signal), "The first question loads the models; this takes a moment.");
      this.#show(answer);
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

  #show({ hits, confidence, latency_ms: took }) {
    const place = byId("passage-notice");
    show(byId("passage-result"), hits.length > 0);
    if (!hits.length) return this.#nothing(place);
    const doubt = confidence !== null && confidence < DOUBTFUL ? " Nothing here seems to answer this." : "";
    const text = `${plural(hits.length, "passage")} in ${duration(took)}, best first.${doubt}`;
    put(place, h("p", { class: "quiet", id: "hits-about" }, text));
    announce(text);
    showHits(byId("hits"), hits, this.#state);
    drawMap(byId("map"), hits, (id) => this.#jump(id));
  }

  #nothing(place) {
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
