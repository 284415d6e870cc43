/** The view of documents: files go in, a collection comes and goes. */

import * as api from "../api.js";
import { addressOf } from "../collections.js";
import { announce, byId, h, put, show, toast } from "../dom.js";
import { errorNotice, notice } from "../notice.js";
import { count, plural, sentence } from "../words.js";

export class DocumentsView {
  #name;
  #dropped = [];

  /** @param {Object} info what the service has; `documents` names the collection, if one is chosen. */
  constructor(info) {
    const { name = null, passages = 0 } = info.documents;
    this.#name = name;
    this.#lead(passages);
    show(byId("upload-form"), name !== null);
    show(byId("manage"), name !== null);
    show(byId("create-form"), true);
    this.#listen();
  }

  /** There is nothing to show but the forms. */
  apply() {}

  revisit() {}

  #lead(passages) {
    byId("documents-lead").textContent = this.#name
      ? `“${this.#name}” holds ${plural(passages, "passage")}.`
      : "Make a collection, or choose one above.";
  }

  #listen() {
    const form = byId("upload-form");
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#upload();
    });
    for (const kind of ["dragenter", "dragover"]) {
      form.addEventListener(kind, (event) => {
        event.preventDefault();
        form.classList.add("over");
      });
    }
    form.addEventListener("dragleave", () => form.classList.remove("over"));
    form.addEventListener("drop", (event) => {
      event.preventDefault();
      form.classList.remove("over");
      this.#dropped = [...event.dataTransfer.files];
      this.#upload();
    });
    byId("sync").addEventListener("click", () => this.#write((told) => api.sync(told)));
    byId("remove-collection").addEventListener("click", () => this.#remove());
    byId("create-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#create();
    });
  }

  #upload() {
    const inputs = ["upload-files", "upload-folder"].map(byId);
    const files = [...this.#dropped, ...inputs.flatMap((input) => [...input.files])];
    this.#dropped = [];
    if (!files.length) return toast("Choose files first.");
    const form = new FormData();
    for (const file of files) form.append("file", file, file.webkitRelativePath || file.name);
    this.#say(`Sending ${plural(files.length, "file")} …`);
    for (const input of inputs) input.value = "";
    this.#write((told) => api.upload(form, told));
  }

  async #write(write) {
    const bar = byId("upload-progress");
    put(byId("upload-result"));
    put(byId("documents-notice"));
    show(bar, true);
    bar.removeAttribute("value");
    try {
      let done = null;
      await write((event) => {
        if (event.progress) this.#progress(event.progress);
        else done = event.done;
      });
      this.#say("");
      this.#done(done);
    } catch (error) {
      this.#say("");
      errorNotice(byId("documents-notice"), error, () => this.#write(write));
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

  #done(answer) {
    const parts = [
      answer.files !== undefined ? `${plural(answer.files, "file")} read` : null,
      answer.added ? `${plural(answer.added, "document")} added` : null,
      answer.replaced ? `${count(answer.replaced)} replaced` : null,
      answer.removed ? `${count(answer.removed)} removed` : null,
    ].filter(Boolean);
    const text = `${parts.join(", ") || "Nothing changed"}.`;
    announce(text);
    if (answer.passages !== undefined) this.#lead(answer.passages);
    const left = answer.left_out ?? [];
    put(
      byId("upload-result"),
      h("p", { class: "done" }, text),
      left.length
        ? h("details", { class: "left-out" }, h("summary", {}, `${plural(left.length, "file")} could not be read`),
          h("ul", {}, left.map(({ path, kind, reason }) => h("li", {}, h("code", {}, path), ` ${kind}${reason ? `: ${reason}` : ""}`))))
        : null,
      answer.notes?.length ? h("ul", {}, answer.notes.map((note) => h("li", { class: "quiet" }, note))) : null,
      h("p", {}, h("a", { class: "ask-link", href: addressOf(this.#name, "#/passages") , onclick: (event) => {
        event.preventDefault();
        location.href = addressOf(this.#name, "#/passages");
        location.reload();
      } }, "Ask about them")),
    );
  }

  async #remove() {
    if (!confirm(`Remove “${this.#name}” with all that it holds?`)) return;
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
