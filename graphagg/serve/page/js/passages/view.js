/** The view of passages: a question in, ranked passages and how they were reached out. */

import * as api from "../api.js";
import { busy } from "../busy.js";
import { announce, byId, h, put, show, toast } from "../dom.js";
import { errorNotice, notice } from "../notice.js";
import { copy } from "../save.js";
import { same } from "../undo.js";
import { plural, spaced } from "../words.js";
import { ask } from "./answer.js";
import { showFacets } from "./facets.js";
import { Filters, toFilter } from "./filters.js";
import { hitElement, showHits } from "./hits.js";
import { drawMap } from "./map.js";
import { places, stems } from "./question.js";

const MODES = {
  multihop: "Links between passages (best)",
  rrf: "Meaning and words",
  dense: "Meaning alone",
  bm25: "Exact words alone",
  linearrag: "Walks over names (LinearRAG)",
};
/** Confidence below which the passages are said to be doubtful. */
const UNSURE = 0.1;
/** Confidence from which a name that stands in none of them is no reason to doubt. */
const LIKELY = 0.5;
/** Options that ask for passages with a date. */
const DATED = ["as-of", "recency"];
/** Days after which a passage gains half as much: documents are years apart. */
const HALF_LIFE = 365;
/** Earlier questions that are sent with a new one. */
const MOST_EARLIER = 4;

/** Names, numbers and codes of the question that stand in none of the passages. */
function missing(question, hits) {
  const words = question.match(/[\p{L}\p{N}]+(?:[-_./][\p{L}\p{N}]+)*/gu) ?? [];
  const telling = words.filter((word, i) => /\p{N}/u.test(word) || (i > 0 && /^\p{Lu}/u.test(word)));
  const stands = (word) => hits.some(({ text, title }) => places(`${title} ${text}`, stems(word)).length);
  return [...new Set(telling)].filter((word) => stems(word).size && !stands(word));
}

/** What speaks against the passages, as lines; null where nothing does. */
function doubt(question, hits, confidence) {
  const absent = missing(question, hits);
  const without = absent.length ? `No passage below names ${absent.join(", ")}.` : null;
  if (typeof confidence === "number" && confidence < UNSURE) return ["Nothing here seems to answer this.", without ?? "These passages are the closest there are."];
  return without && (confidence ?? 0) < LIKELY ? [without] : null;
}

export class PassagesView {
  #navigate;
  #types;
  #limits;
  #filters;
  #state = null;
  #asked = null;
  #values = {};

  /**
   * @param {Object} info what the service has.
   * @param {(state: Object) => void} navigate makes a state the address and shows it.
   */
  constructor(info, navigate) {
    this.#navigate = navigate;
    this.#limits = info.limits;
    const { modes, metadata, values = {} } = info.passages;
    this.#types = metadata;
    put(byId("mode"), modes.map((mode) => h("option", { value: mode }, MODES[mode] ?? spaced(mode))));
    byId("question").maxLength = info.limits.question_characters;
    byId("top-k").max = info.limits.hits;
    for (const id of DATED) show(byId(id).parentElement, "when" in metadata);
    this.#values = { ...values };
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
    byId("as-of").value = state.asOf;
    byId("recency").value = state.recency;
    const limits = state.filters.length + [state.asOf, state.recency].filter(Boolean).length;
    byId("options-toggle").textContent = limits ? `Options (${limits})` : "Options";
    this.#earlier();
    this.#ask();
  }

  /** What the form says. A new question follows the ones before it. */
  #wanted() {
    const wanted = Math.round(Number(byId("top-k").value));
    const question = byId("question").value.trim();
    const { question: before, history } = this.#state;
    const goesOn = before && question && question !== before;
    return {
      question,
      history: goesOn ? [...history, before].slice(-MOST_EARLIER) : history,
      mode: byId("mode").value,
      size: Math.max(1, Math.min(this.#limits.hits, wanted || this.#state.size)),
      page: 1,
      filters: this.#filters.rows,
      asOf: byId("as-of").value,
      recency: byId("recency").value,
    };
  }

  #again() {
    const wanted = this.#wanted();
    if (wanted.question) this.#navigate(wanted);
  }

  /** The conversation so far, above the passages; each question leads back to its answer. */
  #earlier() {
    const { history, question } = this.#state;
    const back = (i) => () => this.#navigate({ ...this.#state, question: history[i], history: history.slice(0, i), page: 1 });
    put(byId("asked"), history.map((each, i) => h("li", {}, h("button", { type: "button", class: "plain", onclick: back(i) }, each))));
    show(byId("asked"), history.length > 0);
    show(byId("new-question"), question !== "");
    byId("question").placeholder = question ? "Ask further, or a new question" : "Ask a question";
  }

  async #ask() {
    this.#asked?.abort();
    const asked = new AbortController();
    this.#asked = asked;
    const { question, history, mode, size, page, filters, asOf, recency } = this.#state;
    byId("copy-question-link").disabled = !question;
    byId("passages").classList.toggle("started", question !== "");
    show(byId("hits-about"), false);
    if (!question) {
      show(byId("passage-result"), false);
      return put(byId("passage-notice"));
    }
    try {
      const filter = toFilter(filters, this.#types);
      const offset = (page - 1) * size;
      const about = { question, mode, filter, ...(history.length && { history }), ...(asOf && { as_of: asOf }), ...(recency && { recency: Number(recency), half_life: HALF_LIFE }) };
      const answer = await busy(ask({ ...about, k: Math.min(size, this.#limits.hits - offset), offset }, asked.signal), "The first question loads the models; this takes a moment.");
      this.#show(answer, offset);
      this.#count(about, asked.signal);
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

  #show(answer, offset) {
    const { hits, confidence = null } = answer;
    const place = byId("passage-notice");
    put(place);
    show(byId("passage-result"), hits.length > 0);
    if (!hits.length) return this.#nothing(place, offset);
    const which = offset ? `Passages ${offset + 1} to ${offset + hits.length}` : plural(hits.length, "passage");
    const sure = typeof confidence === "number" ? ` · ${Math.round(100 * confidence)} % sure` : "";
    const about = byId("hits-about");
    about.textContent = `${which}${sure}`;
    about.title = sure ? "The estimated chance that these passages contain the answer" : "";
    show(about, true);
    announce(`${which}, best first.`);
    // A language model may find the answer all the same: what it says decides.
    if (!offset) this.#doubt(answer);
    showHits(byId("hits"), hits, this.#state, offset + 1);
    this.#pages(hits.length, offset);
    drawMap(byId("map"), hits, (id) => this.#jump(id));
  }

  #doubt({ hits, confidence }) {
    const lines = doubt(this.#state.question, hits, confidence);
    if (!lines) return;
    put(byId("passage-notice"), h("div", { class: "weak", role: "note" }, lines.map((line, i) => h("p", { class: i ? null : "notice-title" }, line))));
    announce(lines.join(" "));
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
    byId("question-form").scrollIntoView({ block: "start" });
  }

  /** Facets of the answer: of the first hundred passages of the question. */
  async #count(about, signal) {
    try {
      const { keys, passages } = await api.facets(about, signal);
      for (const [key, { values }] of Object.entries(keys)) if (values) this.#values[key] = values.map(({ value }) => value);
      showFacets(byId("facets"), keys, passages, this.#state.filters, (filters) => this.#navigate({ ...this.#state, page: 1, filters }));
    } catch (error) {
      if (!api.isAbort(error)) for (const id of ["facets", "facets-toggle"]) show(byId(id), false);
    }
  }

  #nothing(place, offset) {
    if (offset) return notice(place, { title: "No further passages", actions: [["The first page", () => this.#turn(1)]] });
    const { filters, asOf } = this.#state;
    const filtered = filters.length > 0 || asOf !== "";
    notice(place, {
      title: "No passage found",
      text: filtered
        ? "No passage passes the filters. Remove one, or make it wider."
        : "Nothing in this corpus has to do with the question. Try other words, or name what you ask about.",
      actions: filtered ? [["Remove the filters", () => this.#navigate({ ...this.#state, filters: [], asOf: "" })]] : [],
    });
    announce("No passage found.");
  }

  #jump(id) {
    const element = hitElement(byId("hits"), id);
    const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    element.scrollIntoView({ block: "start", behavior: calm ? "auto" : "smooth" });
    element.querySelector("h2").focus({ preventScroll: true });
  }

  /** "/" goes to the question; arrows go from it through the passages and back. */
  #key(event) {
    const at = event.target;
    if (byId("passages").hidden || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "/" && !at.closest("input, select, textarea")) {
      event.preventDefault();
      return byId("question").select();
    }
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    const stops = [byId("question"), ...byId("hits").querySelectorAll("h2")];
    const here = stops.indexOf(at);
    if (!step || here < 0 || !stops[here + step]) return;
    event.preventDefault();
    stops[here + step].focus();
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
    for (const id of ["mode", "top-k", "recency"]) byId(id).addEventListener("change", () => this.#again());
    // While a year is typed, the date lies in its first centuries.
    byId("as-of").addEventListener("change", ({ target }) => target.validity.valid && this.#again());
    for (const [button, panel] of [["options-toggle", "options"], ["facets-toggle", "facets"]].map((ids) => ids.map(byId))) {
      button.addEventListener("click", () => {
        const isOpen = button.getAttribute("aria-expanded") !== "true";
        button.setAttribute("aria-expanded", String(isOpen));
        if (panel.id === "options") show(panel, isOpen);
        else panel.classList.toggle("open", isOpen);
      });
    }
    document.addEventListener("keydown", (event) => this.#key(event));
    byId("new-question").addEventListener("click", () => {
      this.#navigate({ ...this.#state, question: "", history: [], page: 1, filters: [], asOf: "", recency: "" });
      byId("question").focus();
    });
    byId("copy-question-link").addEventListener("click", async () => {
      toast((await copy(location.href)) ? "Link copied." : "Copy the link from the address bar.");
    });
  }
}
