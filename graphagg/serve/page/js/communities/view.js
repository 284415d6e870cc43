/** The view of communities: seeds in, ranked members and their structure out. */

import * as api from "../api.js";
import { busy } from "../busy.js";
import { announce, byId, h, put, show, toast } from "../dom.js";
import { errorNotice, inWords, notice } from "../notice.js";
import { copy, fileName, save } from "../save.js";
import { Undo, same } from "../undo.js";
import { count, duration, plural } from "../words.js";
import { members, structure } from "./answer.js";
import { Card } from "./card.js";
import { toCsv, toGraphml, toSvg } from "./export.js";
import { Picture, prepare } from "./graph.js";
import { legend } from "./legend.js";
import { MemberList } from "./members.js";
import { SeedForm } from "./seeds.js";

const NOTHING = { members: null, structure: null };

export class CommunitiesView {
  #navigate;
  #state = null;
  #undo = new Undo();
  #asked = null;
  #answer = NOTHING;
  #groups = new Map();

  /**
   * @param {Object} info what the service has.
   * @param {(state: Object) => void} navigate makes a state the address and shows it.
   */
  constructor(info, navigate) {
    this.#navigate = navigate;
    const { counts, methods } = info.communities;
    byId("communities-lead").textContent =
      `Begin with one or more vertices of this graph of ${count(counts.vertices)} vertices and ` +
      `${count(counts.edges)} edges; see who belongs with them, and why.`;
    this.form = new SeedForm({ methods, limits: info.limits }, navigate);
    const open = (vertex, opener) => this.#open(vertex, opener);
    this.list = new MemberList(byId("members"), open, (vertex) => this.form.add([vertex]));
    this.picture = new Picture(byId("graph"), open);
    byId("graph").addEventListener("at", (event) => announce(event.detail));
    this.card = new Card(byId("card"), {
      open,
      add: (vertex) => this.form.add([vertex]),
      drop: (vertex) => this.form.drop(vertex),
      only: (vertex) => this.form.only(vertex),
      mark: (vertex) => this.#mark(vertex),
      passages: info.passages !== null,
      embedding: info.embedding !== null,
    });
    this.#listen();
  }

  /** Shows a state: what it says is asked for, unless it is what is shown. */
  apply(state) {
    if (this.#state && same(state, this.#state)) return;
    this.#undo.record(state);
    this.#show(state);
  }

  #show(state) {
    this.#state = state;
    this.form.show(state);
    byId("undo").disabled = !this.#undo.canUndo;
    byId("redo").disabled = !this.#undo.canRedo;
    this.card.close();
    this.#ask();
  }

  async #ask() {
    this.#asked?.abort();
    const asked = new AbortController();
    this.#asked = asked;
    if (!this.#state.seeds.length) return this.#empty(asked.signal);
    byId("community-result").setAttribute("aria-busy", "true");
    prepare();
    const drawn = structure(this.#state, asked.signal);
    drawn.catch(() => {}); // It is awaited below, after the members.
    try {
      const found = await busy(members(this.#state, asked.signal));
      this.#showMembers(found);
      await this.#showStructure(drawn, asked.signal);
    } catch (error) {
      if (api.isAbort(error)) return;
      this.#fail(error);
    }
    byId("community-result").setAttribute("aria-busy", "false");
  }

  async #empty(signal) {
    this.#forget();
    const place = byId("community-notice");
    notice(place, { title: "No seed yet", text: "Type the beginning of a vertex id above, and choose one." });
    try {
      const { vertices } = await api.vertices("", 6, signal);
      if (signal.aborted || !vertices.length) return;
      notice(place, {
        title: "No seed yet",
        text: "Type the beginning of a vertex id above, or begin with a well-linked one:",
        actions: vertices.map(({ id }) => [String(id), () => this.form.add([String(id)])]),
      });
    } catch (error) {
      if (!api.isAbort(error)) errorNotice(place, error, () => this.#ask());
    }
  }

  #fail(error) {
    this.#forget();
    const back = this.#undo.canUndo ? [["Undo", () => this.#step("undo")]] : [];
    errorNotice(byId("community-notice"), error, () => this.#ask(), back);
  }

  #forget() {
    this.#answer = NOTHING;
    this.picture.clear();
    show(byId("community-result"), false);
    this.#exportable();
  }

  #showMembers(found) {
    this.#answer = { members: found, structure: null };
    this.#groups = new Map();
    this.#exportable();
    put(byId("community-notice"));
    show(byId("community-result"), true);
    const inside = byId("members").contains(document.activeElement);
    this.list.show(found.members);
    if (inside) byId("members-title").focus({ preventScroll: true });
    const took = found.latency_ms === undefined ? "" : ` in ${duration(found.latency_ms)}`;
    byId("members-about").textContent = `${plural(found.members.length, "member")}${took}, best first.`;
    announce(byId("members-about").textContent);
    const notes = [...(found.notes ?? [])];
    if (!found.members.length) {
      notes.unshift("Nothing belongs with these seeds: they share no neighbor with any other vertex. Try another seed or method.");
    }
    if (notes.length) byId("members-about").append(...notes.map((note) => h("span", { class: "note" }, note)));
  }

  async #showStructure(drawn, signal) {
    byId("structure-about").textContent = "Drawing …";
    put(byId("legend"));
    let found;
    let ties;
    try {
      found = await busy(drawn);
      if (!signal.aborted) ties = await this.picture.draw(found);
    } catch (error) {
      if (api.isAbort(error)) throw error;
      this.picture.clear();
      const { title, text } = inWords(error);
      byId("structure-about").textContent = `No picture. ${title}: ${text}`;
      return;
    }
    if (signal.aborted) return;
    this.#answer.structure = found;
    this.#groups = new Map(found.vertices.map(({ id, community }) => [id, community]));
    this.list.paint((vertex) => this.#groups.get(vertex));
    legend(byId("legend"), found.communities, (belongs) => this.picture.only(belongs));
    const all = plural(found.edges.length, "tie");
    const groups = plural(found.communities.length, "group");
    const vertices = plural(found.vertices.length, "vertex", "vertices");
    byId("structure-about").textContent =
      `${groups} among ${vertices}, by shared neighbors; ` +
      (ties < found.edges.length ? `${count(ties)} of ${all} drawn.` : `${all} drawn.`);
    this.#exportable();
  }

  #exportable() {
    byId("save-csv").disabled = !this.#answer.members?.members.length;
    byId("save-graphml").disabled = !this.#answer.structure;
    byId("save-png").disabled = !this.#answer.structure;
    byId("save-svg").disabled = !this.#answer.structure;
    byId("copy-link").disabled = !this.#state?.seeds.length;
  }

  #open(vertex, opener) {
    const all = this.#answer.members?.members ?? [];
    const place = all.findIndex((member) => member.id === vertex);
    const known = {
      seed: this.#state.seeds.includes(vertex),
      rank: place < 0 ? null : place + 1,
      member: all[place] ?? null,
    };
    this.card.open(vertex, known, opener);
  }

  #mark(vertex) {
    this.list.mark(vertex);
    this.picture.mark(vertex);
  }

  #step(way) {
    const state = this.#undo[way]();
    if (state) this.#navigate(state, { recorded: true });
  }

  /** Shows a state that undo or redo gave, without recording it as a new one. */
  revisit(state) {
    this.#show(state);
  }

  #listen() {
    byId("undo").addEventListener("click", () => this.#step("undo"));
    byId("redo").addEventListener("click", () => this.#step("redo"));
    byId("zoom-in").addEventListener("click", () => this.picture.zoom(1.3));
    byId("zoom-out").addEventListener("click", () => this.picture.zoom(1 / 1.3));
    byId("zoom-fit").addEventListener("click", () => this.picture.fit());
    byId("copy-link").addEventListener("click", async () => {
      toast((await copy(location.href)) ? "Link copied." : "Copy the link from the address bar.");
    });
    const name = (suffix) => fileName(["community", ...this.#state.seeds], suffix);
    byId("save-csv").addEventListener("click", () => {
      const group = (vertex) => this.#groups.has(vertex) ? this.#groups.get(vertex) + 1 : null;
      save(name("csv"), toCsv(this.#answer.members.members, group), "text/csv;charset=utf-8");
    });
    byId("save-graphml").addEventListener("click", () => {
      save(name("graphml"), toGraphml(this.#answer.structure), "application/graphml+xml");
    });
    byId("save-svg").addEventListener("click", () => {
      save(name("svg"), toSvg(this.#answer.structure), "image/svg+xml");
    });
    byId("save-png").addEventListener("click", () => save(name("png"), this.picture.png(), "image/png"));
    document.addEventListener("keydown", (event) => this.#shortcut(event));
  }

  #shortcut(event) {
    const typing = event.target.matches?.("input, textarea, select") && event.target.value;
    if (byId("communities").hidden || typing || !(event.ctrlKey || event.metaKey)) return;
    const key = event.key.toLowerCase();
    if (key === "z") this.#step(event.shiftKey ? "redo" : "undo");
    else if (key === "y") this.#step("redo");
    else return;
    event.preventDefault();
  }
}
