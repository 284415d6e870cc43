/** The view of documents: files go in, what is there is listed and deleted, a collection comes and goes. */

import * as api from "../api.js";
import { busy } from "../busy.js";
import { addressOf } from "../collections.js";
import { announce, byId, h, put, show, toast } from "../dom.js";
import { errorNotice, notice } from "../notice.js";
import { count, plural, sentence, size } from "../words.js";
import { dropped } from "./drop.js";

/** Documents of one page of the list. */
const ROWS = 50;

export class DocumentsView {
  #name;
  #grown;
  #first = 0;
  #asked = null;

  /**
   * @param {Object} info what the service has; `documents` names the collection, if one is chosen.
   * @param {() => Promise} grown is called after a write.
   */
  constructor(info, _, grown) {
    const { name = null, passages = 0, collections = [] } = info.documents;
    this.#name = name;
    this.#grown = grown;
    for (const id of ["upload-form", "manage"]) show(byId(id), name !== null);
    show(byId("create-panel"), true);
    byId("create-panel").open = name === null;
    this.#start(passages, collections.length);
    this.#listen();
  }

  apply() {
    if (this.#name !== null) this.#list();
  }

  revisit() {}

  /** What to do where nothing is there yet. */
  #start(passages, others) {
    if (this.#name === null) {
      byId("documents-lead").textContent = others ? "Choose a collection above, or make one." : "A collection is a set of documents that are searched together. Make one to begin.";
    } else {
      byId("documents-lead").textContent = passages ? "" : `“${this.#name}” is empty. Add files below; when they are read, ask about them under Passages.`;
    }
    show(byId("documents-lead"), byId("documents-lead").textContent !== "");
  }

  #listen() {
    const form = byId("upload-form");
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const inputs = ["upload-files", "upload-folder"].map(byId);
      this.#upload(inputs.flatMap((input) => [...input.files]).map((file) => [file.webkitRelativePath || file.name, file]));
      for (const input of inputs) input.value = "";
    });
    // Files may be dropped anywhere on the view.
    const place = byId("documents");
    for (const kind of ["dragenter", "dragover"]) {
      place.addEventListener(kind, (event) => {
        event.preventDefault();
        form.classList.add("over");
      });
    }
    place.addEventListener("dragleave", () => form.classList.remove("over"));
    place.addEventListener("drop", async (event) => {
      event.preventDefault();
      form.classList.remove("over");
      if (this.#name !== null) this.#upload(await dropped(event.dataTransfer));
    });
    byId("sync").addEventListener("click", () => this.#write((told) => api.sync(told)));
    byId("remove-collection").addEventListener("click", () => this.#remove());
    byId("create-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#create();
    });
    byId("listing-search").addEventListener("input", () => this.#list(0));
    byId("listing-sort").addEventListener("change", () => this.#list(0));
  }

  /** @param {[string, File][]} files with their paths. */
  #upload(files) {
    if (!files.length) return toast("Choose files first.");
    const form = new FormData();
    for (const [path, file] of files) form.append("file", file, path);
    this.#say(`Sending ${plural(files.length, "file")} …`);
    this.#write((told) => api.upload(form, told), true);
  }

  async #write(write, isUpload = false) {
    const bar = byId("upload-progress");
    put(byId("upload-result"));
    put(byId("documents-notice"));
    show(bar, true);
    bar.removeAttribute("value");
    try {
      let done = null;
      await write((event) => {
        if (event.progress) this.#progress(event.progress);
        else done = { ...event.done, isUpload };
      });
      this.#say("");
      this.#done(done);
      this.#list(0);
      this.#grown().catch(() => {}); // the link below leads there as well
    } catch (error) {
      this.#say("");
      errorNotice(byId("documents-notice"), error, () => this.#write(write, isUpload));
    } finally {
      show(bar, false);
    }
  }

  #progress({ stage, done, total }) {
    const bar = byId("upload-progress");
    if (total) {
      bar.max = total;
      bar.value = done;
    } else bar.removeAttribute("value");
    this.#say(`${sentence(stage).slice(0, -1)}: ${count(done)}${total ? ` of ${count(total)}` : ""}`);
  }

  #say(text) {
    byId("upload-state").textContent = text;
  }

  /** What was read. One file may hold several documents, such as mails: after an upload files are counted, as in the list. */
  #done({ isUpload = false, ...answer }) {
    const changes = [
      answer.added ? `${plural(answer.added, "document")} added` : null,
      answer.replaced ? `${count(answer.replaced)} replaced` : null,
      answer.removed ? `${count(answer.removed)} removed` : null,
    ].filter(Boolean);
    const read = plural(answer.files ?? 0, "file");
    const earlier = answer.replaced ? ", in place of earlier versions" : "";
    const text = isUpload ? `${read} read${earlier}.` : `${changes.join(", ") || "Nothing changed"}; ${read} read.`;
    announce(text);
    if (answer.passages) show(byId("documents-lead"), false);
    const left = answer.left_out ?? [];
    put(
      byId("upload-result"),
      h("p", { class: "done" }, text),
      left.length ? h("details", { open: true }, h("summary", {}, `${plural(left.length, "file")} could not be read`), h("ul", { class: "left-out" }, left.map(problem))) : null,
      answer.notes?.length ? h("ul", {}, answer.notes.map((note) => h("li", { class: "quiet" }, note))) : null,
      h("p", {}, h("a", { class: "ask-link", href: addressOf(this.#name, "#/passages"), onclick: (event) => {
        event.preventDefault();
        location.href = addressOf(this.#name, "#/passages");
        location.reload();
      } }, "Ask about them")),
    );
  }

  /** A page of the documents; a newer request takes the place of an older one. */
  async #list(first = this.#first) {
    this.#asked?.abort();
    const asked = new AbortController();
    this.#asked = asked;
    this.#first = first;
    try {
      const wanted = { search: byId("listing-search").value.trim(), sort: byId("listing-sort").value, offset: first, limit: ROWS };
      const found = await api.documents(wanted, asked.signal);
      this.#rows(found, wanted.search);
    } catch (error) {
      if (!api.isAbort(error)) errorNotice(byId("documents-notice"), error, () => this.#list());
    }
  }

  #rows({ documents, total }, search) {
    show(byId("listing"), total > 0 || search !== "");
    byId("listing-title").textContent = search ? `${plural(total, "document")} found` : plural(total, "document");
    put(byId("document-list"), documents.map((each) => this.#row(each)));
    const step = (first, label) => h("button", { type: "button", onclick: () => this.#list(first) }, label);
    show(byId("listing-pages"), total > ROWS);
    put(
      byId("listing-pages"),
      this.#first > 0 ? step(Math.max(this.#first - ROWS, 0), "Previous page") : null,
      h("span", { class: "quiet" }, `${count(this.#first + 1)} to ${count(this.#first + documents.length)}`),
      this.#first + documents.length < total ? step(this.#first + ROWS, "Next page") : null,
    );
  }

  #row({ id, title, path, passages, size: bytes, modified }) {
    const name = path ?? id;
    const facts = [modified ? modified.slice(0, 10) : null, bytes === null ? null : size(bytes), plural(passages, "passage")];
    return h(
      "li",
      {},
      h("span", { class: "name", dir: "auto" }, name, title && title !== name ? h("span", { class: "quiet" }, ` ${title}`) : null),
      h("span", { class: "facts" }, facts.filter(Boolean).join(" · ")),
      h("button", { type: "button", class: "danger", "aria-label": `Delete ${name}`, onclick: () => this.#delete(name, path === null ? () => api.remove([id]) : () => api.removeFile(path)) }, "Delete"),
    );
  }

  async #delete(name, remove) {
    if (!confirm(`Delete “${name}” from this collection?`)) return;
    try {
      await busy(remove());
      toast("Deleted.");
      this.#list();
    } catch (error) {
      errorNotice(byId("documents-notice"), error, () => this.#delete(name, remove));
    }
  }

  async #remove() {
    if (!confirm(`Remove “${this.#name}” with all its documents?`)) return;
    try {
      await api.removeCollection();
      location.href = `${location.pathname}#/documents`;
      location.assign(location.pathname);
    } catch (error) {
      errorNotice(byId("documents-notice"), error, () => this.#remove());
    }
  }

  async #create() {
    const name = byId("new-name").value.trim();
    try {
      await api.create({ name, profile: byId("new-profile").value });
      location.href = addressOf(name, "#/documents");
    } catch (error) {
      notice(byId("documents-notice"), { title: "It was not made", text: sentence(error.message), alert: true });
    }
  }
}

/** A file that was not read, and why. */
function problem({ path, kind, reason }) {
  return h("li", {}, h("code", {}, path), ` ${kind}${reason ? `: ${reason}` : ""}`);
}
