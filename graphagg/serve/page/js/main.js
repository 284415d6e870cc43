/** Starts the page: asks what the service has, shows those views, keeps the address in step. */

import * as api from "./api.js";
import { format, parse, untouched } from "./address.js";
import { busy } from "./busy.js";
import { CommunitiesView } from "./communities/view.js";
import { chooser, chosen } from "./collections.js";
import { DocumentsView } from "./documents/view.js";
import { byId, put, show } from "./dom.js";
import { errorNotice, notice } from "./notice.js";
import { PassagesView } from "./passages/view.js";
import { SimilarView } from "./similar/view.js";
import * as status from "./status.js";
import { ThemesView } from "./themes/view.js";

const KINDS = {
  communities: { has: "communities", make: CommunitiesView },
  passages: { has: "passages", make: PassagesView },
  themes: { has: "passages", make: ThemesView },
  similar: { has: "embedding", make: SimilarView },
  documents: { has: "documents", make: DocumentsView },
};

const views = new Map();
let current = null;

/** Makes a state the address and shows it. */
function go(view, state, options = {}) {
  const address = format(view, state);
  if (address !== location.hash) history.pushState(null, "", address);
  enter(view, state, options);
}

function enter(view, state, { recorded = false } = {}) {
  current = view;
  for (const [name, { link }] of views) {
    const mine = name === view;
    show(byId(name), mine);
    if (mine) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  const { instance, link } = views.get(view);
  link.href = format(view, state);
  document.title = `${link.textContent} · graphagg`;
  if (recorded) instance.revisit(state);
  else instance.apply(state);
}

/** Shows what the address says; the first view if it says nothing that is here. */
function follow() {
  const asked = parse(location.hash);
  if (views.has(asked.view)) return enter(asked.view, asked.state);
  const [first] = views.keys();
  enter(current ?? first, untouched(current ?? first));
}

function build(info) {
  byId("version").textContent = `v${info.version}`;
  for (const [name, { has, make: View }] of Object.entries(KINDS)) {
    if (!info[has] || views.has(name)) continue;
    const link = document.querySelector(`#views [data-view=${name}]`);
    show(link, true);
    const instance = new View(info, (state, options) => go(name, state, options), grown);
    views.set(name, { instance, link });
  }
  show(byId("views"), views.size > 1);
}

/** After a write: shows the views of an index that was not there before. */
async function grown() {
  if (views.has("passages")) return;
  const info = await opened();
  build(info);
  status.shown(info);
}

/** What the service has, or the chosen one of its collections. */
async function opened() {
  const info = await api.info();
  if (!info.collections) return info;
  const { collections, may_write: mayWrite } = await api.collections();
  const name = chosen(collections);
  chooser(collections, name);
  if (name === null) return { ...info, documents: mayWrite ? { collections } : null, may_write: mayWrite };
  api.useCollection(name);
  const inside = await api.collectionInfo();
  const documents = mayWrite ? { collections, name, passages: inside.passages?.counts.passages ?? 0 } : null;
  return { ...info, ...inside, version: info.version, limits: info.limits, documents, may_write: mayWrite, collection: name };
}

async function start() {
  const place = byId("boot");
  try {
    const info = await busy(opened());
    put(place);
    build(info);
    status.follow(info);
  } catch (error) {
    return errorNotice(place, error, start);
  }
  if (!views.size) {
    return notice(place, {
      title: "Nothing to explore yet",
      text: byId("collection-place").hidden
        ? "This service was started without an index. Give it one: graphagg serve --communities DIR, --passages DIR or --embedding DIR."
        : "Choose a collection above.",
    });
  }
  addEventListener("popstate", follow);
  follow();
}

// A plain jump to #main would be an address that says nothing.
byId("skip").addEventListener("click", (event) => {
  event.preventDefault();
  byId("main").focus();
});
start();
