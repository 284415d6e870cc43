/**
 * Says when what the service has is not what this page was opened with, or not what was published.
 *
 * It looks after an answer, when the service is there, and when the page comes into sight again.
 */

import * as api from "./api.js";
import { byId, h, put, show } from "./dom.js";
import { list } from "./words.js";

const KINDS = ["passages", "communities", "embedding"];

/** The version of each index that is served, by kind. */
function versions(info) {
  return Object.fromEntries(KINDS.map((kind) => [kind, info[kind]?.version ?? null]));
}

let opened = {};

/** Compares with what the page shows now. */
export function shown(info) {
  opened = versions(info);
}

/** Follows the service from the state in which the page was opened. */
export function follow(info) {
  shown(info);
  let looking = false;

  async function look() {
    if (looking) return;
    looking = true;
    try {
      const [{ problems }, now] = await Promise.all([api.ready(), api.current()]);
      const served = versions(now);
      tell(Object.keys(problems), KINDS.filter((kind) => served[kind] !== opened[kind]));
    } catch {
      // A service that does not answer is said where something was asked of it.
    } finally {
      looking = false;
    }
  }

  addEventListener("answered", look);
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) look();
  });
}

function tell(broken, newer) {
  const said = [];
  if (newer.length) {
    const again = h("button", { type: "button", onclick: () => location.reload() }, "Show it");
    said.push(h("p", {}, `A newer version of the ${list(newer)} is served. `, again));
  }
  if (broken.length) {
    const text = `The version of the ${list(broken)} that was published last cannot be opened. You see the one before; the log of the service says why.`;
    said.push(h("p", { class: "bad" }, text));
  }
  put(byId("status"), said);
  show(byId("status"), said.length > 0);
}
