/** The map of a corpus: areas of themes, zoomed from theme to name to passage. */

import * as api from "../api.js";
import { format } from "../address.js";
import { busy } from "../busy.js";
import { announce, byId, h, put, show, toast } from "../dom.js";
import { errorNotice, notice } from "../notice.js";
import { Filters, toFilter } from "../passages/filters.js";
import { same } from "../undo.js";
import { count, plural } from "../words.js";
import { areas } from "./areas.js";
import { listed, portrait } from "./portrait.js";
import { nameCard } from "./names.js";
import { Time } from "./time.js";
import { drawTreemap } from "./treemap.js";

export class ThemesView {
  #navigate;
  #info;
  #types;
  #filters;
  #time;
  #state = null;
  #asked = null;
  #lit = { of: "", answer: null };

  /**
   * @param {Object} info what the service has.
   * @param {(state: Object) => void} navigate makes a state the address and shows it.
   */
  constructor(info, navigate) {
    this.#navigate = navigate;
    this.#info = info;
    const { metadata, values = {} } = info.passages;
    this.#types = metadata;
    this.#filters = new Filters(byId("map-filters"), metadata, values, () => this.#narrow());
    this.#time = new Time(metadata, () => this.#narrow());
    byId("light-question").maxLength = info.limits.question_characters;
    byId("light-form").addEventListener("submit", (event) => {
      event.preventDefault();
      const question = byId("light-question").value.trim();
      if (!question && !this.#state.question) {
        toast("Type a question first.");
        return byId("light-question").focus();
      }
      this.#navigate({ ...this.#state, question });
    });
    byId("light-question").addEventListener("search", (event) => {
      if (!event.target.value && this.#state.question) this.#navigate({ ...this.#state, question: "" });
    });
  }

  /** Other passages are another map: it is shown whole, without a name that it may not have. */
  #narrow() {
    const filters = [...this.#time.rows, ...this.#filters.rows];
    if (!same(filters, this.#state.filters)) this.#navigate({ ...this.#state, theme: "", name: "", filters });
  }

  /** Shows a state: what it says is asked for, unless it is what is shown. */
  apply(state) {
    if (this.#state && same(state, this.#state)) return;
    const before = this.#state;
    this.#state = state;
    byId("light-question").value = state.question;
    this.#filters.show(this.#time.show(state.filters));
    this.#ask(before);
  }

  async #ask(before) {
    this.#asked?.abort();
    const asked = new AbortController();
    this.#asked = asked;
    const { theme, name, question, filters } = this.#state;
    try {
      const filter = toFilter(filters, this.#types);
      const map = await busy(api.themes({ filter }, asked.signal, (building) => this.#wait(building)));
      const [one, lit, alike] = await busy(
        Promise.all([
          theme ? api.theme({ theme, filter }, asked.signal) : null,
          this.#light({ question, filter }, asked.signal),
          name ? api.alike({ entity: name, filter }, asked.signal) : null,
        ]),
      );
      this.#show(map, one, lit, alike, before);
    } catch (error) {
      if (api.isAbort(error)) return;
      show(byId("map-result"), false);
      this.#crumbs(null);
      this.#fail(error, before);
    }
  }

  /** A map that is made goes on where this page leaves. */
  #wait({ done, total }) {
    const place = byId("map-notice");
    const bar = place.querySelector("progress") ?? h("progress", { "aria-label": "Progress of the map" });
    bar.max = total;
    bar.value = done;
    if (!bar.isConnected) put(place, h("div", { class: "notice" }, h("p", { class: "notice-title" }, "The map of this corpus is made now"), h("p", {}, "It is computed once, and again after documents change."), bar));
  }

  #fail(error, before) {
    const { theme, name, filters } = this.#state;
    const place = byId("map-notice");
    if (error instanceof RangeError) return notice(place, { title: "The filter does not fit", text: error.message, alert: true });
    const back = [];
    if (theme || name) back.push(["Show the whole map", () => this.#navigate({ ...this.#state, theme: "", name: "" })]);
    if (filters.length) back.push(["Remove the filters", () => this.#navigate({ ...this.#state, filters: [] })]);
    errorNotice(place, error, () => this.#ask(before), back);
  }

  /** The answer to a question is asked for once, however far the map is zoomed. */
  async #light(asked, signal) {
    if (!asked.question) return null;
    const of = JSON.stringify(asked);
    if (this.#lit.of !== of) this.#lit = { of, answer: await api.themeDistribution(asked, signal) };
    return this.#lit.answer;
  }

  #show(map, one, lit, alike, before) {
    byId("map-lead").textContent =
      `${plural(map.passages, "passage")} in ${plural(map.themes.length + map.more, "theme")}.`;
    const place = byId("map-notice");
    put(place);
    show(byId("map-result"), true);
    this.#time.learn(map.when, one ? [one.theme] : map.themes, one ? one.theme.passages : map.passages);
    this.#filters.show(this.#time.show(this.#state.filters));
    this.#crumbs(one);
    this.#theme(one);
    areas(byId("areas"), map.themes, lit, {
      total: map.themes.reduce((sum, each) => sum + each.passages, 0),
      link: (id) => this.#link({ theme: id, name: "" }),
    });
    this.#picture(map, one, lit);
    byId("areas-title").textContent = map.more ? `Themes: the largest ${count(map.themes.length)}` : "Themes";
    show(byId("areas"), !one && map.themes.length > 0);
    show(byId("areas-title"), !one && map.themes.length > 0);
    if (!map.themes.length && !one) this.#nothing(place);
    this.#passages(one, lit);
    this.#name(alike);
    this.#say(map, one, lit, before);
  }

  /** Themes as areas; of one theme, its passages. */
  #picture(map, one, lit) {
    const cells = one
      ? one.listed.map(({ id, title }) => ({ id, label: title || id, size: 1 }))
      : map.themes.map(({ id, label, passages }) => ({ id, label, size: passages }));
    const found = one ? Object.fromEntries((lit?.passages ?? []).map(({ id }) => [id, 1])) : lit?.themes;
    drawTreemap(byId("treemap"), cells, lit ? found : null, (id) => {
      if (one) byId("theme-passages").scrollIntoView({ block: "start" });
      else location.hash = this.#link({ theme: id, name: "" }).slice(1);
    });
    byId("treemap-about").textContent = one
      ? "Each area is a passage."
      : "The area of a theme says how many passages it has. The list below says the same.";
    show(byId("treemap").parentElement, cells.length > 0);
  }

  #nothing(place) {
    const filtered = this.#state.filters.length > 0;
    notice(place, {
      title: "Nothing to map",
      text: filtered ? "No passage passes the filters. Remove one, or make it wider." : "No passage is visible here.",
      actions: filtered ? [["Remove the filters", () => this.#navigate({ ...this.#state, filters: [] })]] : [],
    });
  }

  #theme(one) {
    show(byId("theme-panel"), Boolean(one));
    if (!one) return;
    byId("theme-title").textContent = one.theme.label;
    put(byId("theme-body"), portrait(one.theme, (key) => this.#link({ name: key })));
  }

  #passages(one, lit) {
    const inside = lit && one ? lit.passages.filter(({ theme }) => theme === one.theme.id) : [];
    const ids = new Set(inside.map(({ id }) => id));
    const rows = one ? [...inside, ...one.listed.filter(({ id }) => !ids.has(id))] : (lit?.passages ?? []);
    show(byId("theme-passages"), rows.length > 0);
    const more = one?.more ? `, the first ${count(one.listed.length)}` : "";
    byId("theme-passages-title").textContent = one ? `Its passages${more}` : "Passages of the question";
    put(byId("theme-listed"), listed(rows, one ? ids : new Set(), (title) => format("passages", {
      question: title, mode: "multihop", size: 5, filters: this.#state.filters,
    })));
  }

  #name(alike) {
    show(byId("name-panel"), Boolean(alike));
    if (!alike) return;
    byId("name-title").textContent = `Like “${alike.of}”`;
    put(byId("name-body"), nameCard(alike, {
      hasCommunities: Boolean(this.#info.communities),
      filters: this.#state.filters,
      name: (key) => this.#link({ name: key }),
    }));
  }

  #say(map, one, lit, before) {
    const found = lit ? ` ${plural(lit.passages.length, "passage")} of the question lit.` : "";
    announce(`${one ? one.theme.label : `The whole map: ${plural(map.themes.length, "theme")}`}.${found}`);
    if (!before) return;
    if (this.#state.name && this.#state.name !== before.name) this.#go("name-panel", "name-title");
    else if (this.#state.theme && this.#state.theme !== before.theme) this.#go("map-crumbs", "theme-title");
  }

  #go(place, heading) {
    const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    byId(place).scrollIntoView({ block: "start", behavior: calm ? "auto" : "smooth" });
    byId(heading).focus({ preventScroll: true });
  }

  #link(changes) {
    return format("themes", { ...this.#state, ...changes });
  }

  /** The way from the whole map to a theme. */
  #crumbs(one) {
    put(byId("map-crumbs"), one ? [
      h("a", { href: this.#link({ theme: "", name: "" }) }, "The whole map"),
      h("span", { "aria-current": "page" }, one.theme.id),
    ] : []);
    show(byId("map-crumbs"), Boolean(one));
  }
}
